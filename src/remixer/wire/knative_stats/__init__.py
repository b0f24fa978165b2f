"""What Knative's activator tells Knative's autoscaler, as bytes of every release: pure codecs.

`stat` is what is told, `encoding` chooses how by the release that listens, `protobuf` and `gob` do
it. A message is the payload of one binary websocket frame; nothing is remembered between two.
Encoders write what the activator of that release writes, byte for byte; decoders are for whoever
plays the autoscaler: bounded, strict, and raising nothing but `StatError`.
"""

from remixer.wire.knative_stats.encoding import (
    ENCODING_NAMES,
    GOB_RELEASES,
    Encoding,
    decode_message,
    encode_messages,
    encoding_for,
    message_template,
    needs_time,
)
from remixer.wire.knative_stats.gob_layouts import LAYOUTS, GobLayout, layout_named
from remixer.wire.knative_stats.stat import RevisionKey, Stat, StatError

__all__ = [
    "ENCODING_NAMES",
    "GOB_RELEASES",
    "LAYOUTS",
    "Encoding",
    "GobLayout",
    "RevisionKey",
    "Stat",
    "StatError",
    "decode_message",
    "encode_messages",
    "encoding_for",
    "layout_named",
    "message_template",
    "needs_time",
]
