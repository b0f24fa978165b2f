"""Token requests and answers of OAuth 2 client credentials."""

import base64
import json
from urllib.parse import parse_qsl

import pytest

from remixer.transport.remote_oauth_messages import (
    SecretStyle,
    TokenRefused,
    read_token,
    token_request,
)
from remixer.transport.remote_spec import OAuthClient

JSON = {"Content-Type": "application/json;charset=UTF-8"}
CLIENT = OAuthClient(
    "me & you", "/s", "https://a/t", scopes=("a", "b"), endpoint_params=(("audience", "x y"),)
)


def refusal(status: int, body: bytes) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        read_token(status, JSON, body)
    return caught.value


def test_request_with_the_secret_in_the_header() -> None:
    body, headers = token_request(CLIENT, "p:w d", SecretStyle.HEADER)
    assert parse_qsl(body.decode()) == [
        ("grant_type", "client_credentials"),
        ("scope", "a b"),
        ("audience", "x y"),
    ]
    kind, _, pair = headers["authorization"].partition(" ")
    assert (kind, base64.b64decode(pair)) == ("Basic", b"me+%26+you:p%3Aw+d")


def test_request_with_the_secret_in_the_body() -> None:
    body, headers = token_request(OAuthClient("me", "/s", "u"), "pw", SecretStyle.BODY)
    assert parse_qsl(body.decode()) == [
        ("grant_type", "client_credentials"),
        ("client_id", "me"),
        ("client_secret", "pw"),
    ]
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("answer", "header", "lifetime_s"),
    [
        ({"access_token": "t", "token_type": "bearer", "expires_in": 60}, "Bearer t", 60.0),
        ({"access_token": "t", "expires_in": "60"}, "Bearer t", 60.0),
        ({"access_token": "t", "token_type": "MAC"}, "MAC t", None),
        ({"access_token": "t", "token_type": "DPoP", "expires_in": None}, "DPoP t", None),
        ({"access_token": "t", "token_type": 7, "expires_in": True}, "Bearer t", None),
        ({"access_token": "t", "token_type": "a\nb", "expires_in": "soon"}, "Bearer t", None),
        ({"access_token": "t", "expires_in": -5}, "Bearer t", None),
        ({"access_token": "t", "expires_in": "nan"}, "Bearer t", None),
        ({"access_token": "t", "expires_in": "inf"}, "Bearer t", None),
        ({"access_token": "t", "expires_in": 10**400}, "Bearer t", None),
    ],
)
def test_answers_that_hold_a_token(
    answer: dict[str, object], header: str, lifetime_s: float | None
) -> None:
    granted = read_token(200, JSON, json.dumps(answer).encode())
    assert (granted.header, granted.lifetime_s) == (header, lifetime_s)
    assert granted.header not in repr(granted)


def test_form_encoded_answers_are_read_too() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    granted = read_token(200, headers, b"access_token=t&token_type=bearer&expires_in=60")
    assert (granted.header, granted.lifetime_s) == ("Bearer t", 60.0)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b"\xff", b'{"access_token": ""}', b'{"access_token": "a b"}',
     b'{"access_token": 5}', b'{"access_token": "\\u00e9"}', b"[" * 100_000],
)  # fmt: skip
def test_answers_without_a_usable_token_are_refused(body: bytes) -> None:
    assert "no usable access_token" in str(refusal(200, body))


@pytest.mark.parametrize(("status", "other_style"), [(400, True), (401, True), (503, False)])
def test_refusals_name_status_and_code_and_nothing_else(status: int, other_style: bool) -> None:  # noqa: FBT001 - a table
    body = b'{"error": "invalid_client", "error_description": "secret s3cret is wrong"}'
    refused = refusal(status, body)
    assert str(refused) == f"the token endpoint answered {status} (invalid_client)"
    assert refused.may_be_style is other_style


def test_error_codes_that_are_no_words_are_not_repeated() -> None:
    assert str(refusal(400, b'{"error": "S3CRET wrong"}')) == "the token endpoint answered 400"
