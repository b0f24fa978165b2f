"""`kactivator`: wakes idle Knative revisions, and holds requests until one answers.

`keys` finds the revision of a request. `reporting` knows what to tell Knative's autoscaler and
when, `connection` tells it. `readiness` is the port that says who is awake, `probe` and
`endpoint_slices` implement it; `waiting` holds requests meanwhile. `handler` brings them together.
"""

from remixer.adapters.kactivator.handler import INFO
from remixer.adapters.kactivator.params import (
    EndpointSlices,
    Hold,
    Mode,
    Params,
    Probe,
    ReadinessSource,
    WireEncoding,
)

__all__ = [
    "INFO",
    "EndpointSlices",
    "Hold",
    "Mode",
    "Params",
    "Probe",
    "ReadinessSource",
    "WireEncoding",
]
