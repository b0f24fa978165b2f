"""URI names out of certificates, good and broken ones."""

import subprocess
from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.certificate_names import LONGEST_PEM, uri_names

SPIFFE = "spiffe://cluster.local/ns/shop/sa/web"


def certificate(*alternative_names: str) -> str:
    """A self-signed certificate as PEM."""
    extension = ["-addext", f"subjectAltName=critical,{','.join(alternative_names)}"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", "/dev/null", "-out", "-"]
    subject = ["-subj", "/CN=web", *(extension if alternative_names else [])]
    command = ["openssl", "req", "-x509", *key, *subject, *files]
    made = subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed words
    return made.stdout.decode()


@pytest.fixture(scope="module")
def pem() -> str:
    return certificate("DNS:web.shop", f"URI:{SPIFFE}", "URI:spiffe://second/x")


def test_uri_names_come_in_their_order(pem: str) -> None:
    assert uri_names(pem) == (SPIFFE, "spiffe://second/x")


def test_of_a_chain_the_first_certificate_counts(pem: str) -> None:
    assert uri_names(certificate("URI:spiffe://first/x") + pem) == ("spiffe://first/x",)


def test_a_certificate_without_alternative_names_names_nobody() -> None:
    assert uri_names(certificate()) == ()


@pytest.mark.parametrize("text", ["", "garbage", "-----BEGIN CERTIFICATE-----", "\x00é"])
def test_what_is_no_certificate_names_nobody(text: str) -> None:
    assert uri_names(text) == ()


def test_what_is_longer_than_any_certificate_is_not_read(pem: str) -> None:
    assert uri_names(pem.ljust(LONGEST_PEM)) == (SPIFFE, "spiffe://second/x")
    assert uri_names(pem.ljust(LONGEST_PEM + 1)) == ()


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_certificate_is_read_without_an_error(pem: str, data: st.DataObject) -> None:
    body = pem.partition("-----\n")[2].partition("-----END")[0]
    der = bytearray(b64decode(body))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(der)))
    text = b64encode(bytes(der[:cut])).decode()
    uri_names(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
