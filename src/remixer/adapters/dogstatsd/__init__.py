"""`dogstatsd`: tagged metrics as lines to a Datadog agent.

`recipes` turns instances into lines, `handler` samples them and hands them to the buffer.
"""

from remixer.adapters.dogstatsd.handler import INFO, DogstatsdHandler
from remixer.adapters.dogstatsd.params import MetricInfo, MetricType, Params

__all__ = ["INFO", "DogstatsdHandler", "MetricInfo", "MetricType", "Params"]
