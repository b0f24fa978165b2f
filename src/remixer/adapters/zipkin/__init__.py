"""`zipkin`: spans for Zipkin, in its JSON format, version 2.

`encoding` says how a span looks (pure), `handler` chooses spans and sends them in batches.
"""

from remixer.adapters.zipkin.handler import INFO, ZipkinHandler
from remixer.adapters.zipkin.params import Params

__all__ = ["INFO", "Params", "ZipkinHandler"]
