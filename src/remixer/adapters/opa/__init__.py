"""`opa`: asks a Rego policy, one of the configuration's own or one of an OPA server.

`params` tells what is wrong before anything runs, `documents` makes the policy's input, `handler`
maps results to verdicts. `remote` asks a server over HTTP, `embedded` a child process: see
`drivers.rego`.
"""

from remixer.adapters.opa.handler import INFO, Opa
from remixer.adapters.opa.params import Params

__all__ = ["INFO", "Opa", "Params"]
