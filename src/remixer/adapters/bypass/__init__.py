"""`bypass`: hands checks, quotas and reports of four templates to another process, over gRPC.

Mixer's own test adapter. For adapters of one's own, `adapter` resources do more.
"""

from remixer.adapters.bypass.handler import INFO, Bypass
from remixer.adapters.bypass.params import PackedParams, Params

__all__ = ["INFO", "Bypass", "PackedParams", "Params"]
