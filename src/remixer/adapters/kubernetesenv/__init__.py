"""`kubernetesenv`: what Kubernetes knows of the two ends of a connection.

`objects` reads the few fields that are needed, `cache` keeps them, `cluster` follows one cluster,
`registry` finds further clusters, `outputs` words the answer, `handler` looks up.
"""

from remixer.adapters.kubernetesenv.handler import INFO, KubernetesEnv
from remixer.adapters.kubernetesenv.params import Params

__all__ = ["INFO", "KubernetesEnv", "Params"]
