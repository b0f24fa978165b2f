"""`otlp`: metrics, logs, spans and edges for any OpenTelemetry collector.

`metrics`, `logs` and `traces` make records of instances, `instruments` sum metrics up between
exports (all pure); `exports` is the task that sends metrics, `handler` puts them together.
"""

from remixer.adapters.otlp.handler import INFO, OtlpHandler
from remixer.adapters.otlp.params import (
    Compression,
    Kind,
    LogInfo,
    MetricInfo,
    Params,
    Protocol,
    Severity,
    Tls,
    Trace,
)

__all__ = [
    "INFO",
    "Compression",
    "Kind",
    "LogInfo",
    "MetricInfo",
    "OtlpHandler",
    "Params",
    "Protocol",
    "Severity",
    "Tls",
    "Trace",
]
