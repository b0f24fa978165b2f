"""`statsd`: metrics as lines to a StatsD daemon.

`recipes` turns instances into lines, `handler` samples them and hands them to the buffer.
"""

from remixer.adapters.statsd.handler import INFO, StatsdHandler
from remixer.adapters.statsd.params import MetricInfo, MetricType, Params

__all__ = ["INFO", "MetricInfo", "MetricType", "Params", "StatsdHandler"]
