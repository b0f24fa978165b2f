"""Who asks, as told to the next hop."""

from remixer.sidecar.client import MixerClient
from remixer.sidecar.settings import ClientSettings
from remixer.wire.forwarded import accepted


def test_a_program_that_knows_its_name_can_tell_it() -> None:
    client = MixerClient("127.0.0.1:1", ClientSettings(source_uid="kubernetes://web-1.shop"))
    (name, value) = next(iter(client.forwarded_headers().items()))
    assert name == "x-istio-attributes"
    assert accepted(value) == {"source.uid": "kubernetes://web-1.shop"}


def test_a_program_without_a_name_tells_nothing() -> None:
    assert MixerClient("127.0.0.1:1").forwarded_headers() == {}
