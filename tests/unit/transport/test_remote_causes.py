"""What operators are told instead of the library's own text."""

import pytest

from remixer.transport.remote_causes import plain_cause

ALL = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9070: "


@pytest.mark.parametrize(
    ("details", "cause"),
    [
        (
            ALL + "Tls handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL "
            "routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired: OK",
            "its certificate is not trusted (certificate has expired); see `ca_certificates`",
        ),
        (
            "CERTIFICATE_VERIFY_FAILED: ",
            "its certificate is not trusted (no reason given); see `ca_certificates`",
        ),
        (
            ALL + "Custom verification check failed with error: UNAUTHENTICATED: "
            "Hostname Verification Check failed.",
            "its certificate is for another name; `server_name` says which one to expect",
        ),
        (ALL + "SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", "it does not speak TLS"),
        (
            ALL + "Failed to connect to remote host: Connection refused",
            "nobody listens there (connection refused)",
        ),
        (ALL + "Socket closed", None),
        ("what the server itself says", None),
    ],
)
def test_causes_are_told_in_plain_words(details: str, cause: str | None) -> None:
    assert plain_cause(details) == cause
