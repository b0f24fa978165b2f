"""`cloudwatch`: metrics and logs to Amazon CloudWatch.

`metrics` and `logs` turn instances into what the service takes, `handler` gathers and sends it.
"""

from remixer.adapters.cloudwatch.handler import INFO, CloudWatchHandler
from remixer.adapters.cloudwatch.params import LogInfo, MetricDatum, Params, Unit

__all__ = ["INFO", "CloudWatchHandler", "LogInfo", "MetricDatum", "Params", "Unit"]
