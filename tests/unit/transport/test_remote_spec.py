"""Addresses of back ends, and what can be wrong with a connection."""

import pytest

from remixer.transport.remote_address import (
    HostTarget,
    ListTarget,
    Target,
    UnixTarget,
    parse_target,
)
from remixer.transport.remote_spec import (
    AuthHeader,
    ConnectionSpec,
    CustomHeader,
    MutualTls,
    OAuthClient,
    Tls,
    TokenFile,
    connection_faults,
)

OAUTH = OAuthClient("me", "/s", "https://auth.example/token")


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("adapter:44225", HostTarget("adapter", 44225)),
        ("my_adapter.ns.svc.cluster.local:1", HostTarget("my_adapter.ns.svc.cluster.local", 1)),
        ("dns:///adapter:80", HostTarget("adapter", 80)),
        ("dns:adapter:80", HostTarget("adapter", 80)),
        ("passthrough:///adapter:80", HostTarget("adapter", 80)),
        ("tcp://127.0.0.1:80", HostTarget("127.0.0.1", 80)),
        ("[::]:44225", HostTarget("::", 44225)),
        ("[fe80::1]:65535", HostTarget("fe80::1", 65535)),
        ("unix:/run/a.sock", UnixTarget("/run/a.sock")),
        ("unix:///run/a.sock", UnixTarget("/run/a.sock")),
        ("unix:a.sock", UnixTarget("a.sock")),
    ],
)
def test_forms_of_addresses(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("adapter", "not HOST:PORT"),
        (":80", "not HOST:PORT"),
        ("::1:80", "needs brackets"),
        ("[name]:80", "not HOST:PORT"),
        ("adapter:", "port"),
        ("adapter:0", "port"),
        ("adapter:65536", "port"),
        ("adapter:99999999999999999999", "port"),
        ("adapter:http", "port"),
        ("dns://8.8.8.8/adapter:80", "not HOST:PORT"),
        ("http://adapter:80", "not HOST:PORT"),
        ("xds:///adapter", "not HOST:PORT"),
        ("ada pter:80", "not HOST:PORT"),
        ("a" * 254 + ":80", "not HOST:PORT"),
        ("unix:", "names no path"),
        ("unix:a\0b", "names no path"),
    ],
)
def test_texts_that_are_no_address_say_what_was_wanted(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse_target(text)


@pytest.mark.parametrize(
    "authentication",
    [
        None,
        Tls(),
        Tls("/ca", "name", TokenFile("/t", AuthHeader.BEARER)),
        Tls(token=TokenFile("/t", CustomHeader("x-api-key"))),
        Tls(token=OAUTH),
        MutualTls("/c", "/k"),
    ],
)
def test_connections_that_are_well(authentication: Tls | MutualTls | None) -> None:
    assert connection_faults(ConnectionSpec("adapter:80", 1.0, authentication)) == ()


def fault_paths(authentication: Tls | MutualTls) -> list[str]:
    faults = connection_faults(ConnectionSpec("adapter:80", None, authentication))
    return [fault.path.removeprefix("authentication.") for fault in faults]


def test_all_faults_are_told_at_once() -> None:
    spec = ConnectionSpec("", None, MutualTls("", ""))
    assert [fault.path for fault in connection_faults(spec)] == [
        "address",
        "authentication.mutual.client_certificate",
        "authentication.mutual.private_key",
    ]


@pytest.mark.parametrize("name", ["", "a b", ":path", "grpc-timeout", "token-bin", "x\n"])
def test_a_token_travels_in_an_ordinary_header_only(name: str) -> None:
    assert fault_paths(Tls(token=TokenFile("/t", CustomHeader(name)))) == ["tls.custom_header"]


def test_a_token_needs_a_file() -> None:
    assert fault_paths(Tls(token=TokenFile("", AuthHeader.PLAIN))) == ["tls.token_path"]


def test_oauth_needs_a_client_a_secret_and_a_url() -> None:
    assert fault_paths(Tls(token=OAuthClient("", "", "auth.example/token"))) == [
        "tls.oauth.client_id",
        "tls.oauth.client_secret",
        "tls.oauth.token_url",
    ]


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id", "client_secret"])
def test_endpoint_params_cannot_speak_for_the_protocol(name: str) -> None:
    oauth = OAuthClient("me", "/s", "https://a/t", endpoint_params=((name, "x"),))
    assert fault_paths(Tls(token=oauth)) == ["tls.oauth.endpoint_params"]


def test_endpoint_params_and_urls_are_not_shown() -> None:
    oauth = OAuthClient("me", "/s", "//s3cret", endpoint_params=(("audience", "s3cret"),))
    spec = ConnectionSpec("adapter:80", None, Tls(token=oauth))
    assert "s3cret" not in str(connection_faults(spec))
    assert "audience" not in repr(spec)


# ------------------------------------------------------------ several addresses


def test_addresses_with_commas_between_them_are_a_list() -> None:
    target = parse_target("a:1, unix:/run/b.sock ,[::1]:3")
    members = (HostTarget("a", 1), UnixTarget("/run/b.sock"), HostTarget("::1", 3))
    assert target == ListTarget(members)
    assert str(target) == "a:1,unix:/run/b.sock,[::1]:3"
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a:1,a:1", "names one address twice"),
        ("unix:/x,unix:///x", "names one address twice"),
        ("a:1,", "is empty"),
        (",a:1", "is empty"),
        ("a:1,,b:1", "is empty"),
        ("a:1,b", "`b` is not HOST:PORT"),
        ("a:1;b:1", "needs brackets"),
    ],
)
def test_one_bad_member_spoils_a_list(text: str, part: str) -> None:
    with pytest.raises(ValueError, match="^.*" + part):
        parse_target(text)


def test_tls_to_several_hosts_needs_the_name_of_their_certificates() -> None:
    (fault,) = connection_faults(ConnectionSpec("a:1,b:1", authentication=Tls("/ca.pem")))
    assert fault.path == "authentication.server_name"
    assert "certificates of all addresses" in fault.message


@pytest.mark.parametrize(
    "spec",
    [
        ConnectionSpec("a:1,b:1"),
        ConnectionSpec("a:1", authentication=Tls("/ca.pem")),
        ConnectionSpec("a:1,b:1", authentication=Tls("/ca.pem", server_name="mixer")),
        # Its certificate has an identity, and so must theirs.
        ConnectionSpec("a:1,b:1", authentication=MutualTls("/c.pem", "/k.pem")),
    ],
)
def test_everybody_else_needs_none(spec: ConnectionSpec) -> None:
    assert connection_faults(spec) == ()
