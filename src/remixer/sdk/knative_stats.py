"""What adapters that wake Knative's revisions need of the autoscaler's wire format."""

from remixer.wire.knative_stats import (
    Encoding,
    RevisionKey,
    Stat,
    StatError,
    encode_messages,
    encoding_for,
    message_template,
    needs_time,
)

__all__ = [
    "Encoding",
    "RevisionKey",
    "Stat",
    "StatError",
    "encode_messages",
    "encoding_for",
    "message_template",
    "needs_time",
]
