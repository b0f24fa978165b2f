"""`rbac`: allows what roles and their bindings allow, denies everything else.

The adapter as it last worked, in Mixer 1.0. `model` is what operators write, `decoding` reads it,
`index` decides, `watch` keeps it up to date, `handler` gives the verdicts.
"""

from remixer.adapters.rbac.handler import INFO, Rbac
from remixer.adapters.rbac.params import Params

__all__ = ["INFO", "Params", "Rbac"]
