"""`fluentd`: log entries for Fluentd or Fluent Bit, by their forward protocol.

`records` says what an entry holds (pure); `handler` packs entries and sends them in batches.
"""

from remixer.adapters.fluentd.handler import INFO, FluentdHandler
from remixer.adapters.fluentd.params import Params

__all__ = ["INFO", "FluentdHandler", "Params"]
