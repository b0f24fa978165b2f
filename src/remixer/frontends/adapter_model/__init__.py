"""Mixer's gRPC adapter model, seen from the adapter: serves an `AdapterInfo` to any Mixer.

| module | idea |
|---|---|
| `servicer`, `varieties`, `codec` | a template's Handle service |
| `handlers`, `building` | handlers by the configuration that calls carry |
| `sessions`, `backend` | InfrastructureBackend |
| `params_schema`, `params_codec` | a params dataclass as a message, and back |

`remixer.server.adapter_server` puts it on a port; `remixer adapter serve` calls that.
"""

from remixer.frontends.adapter_model.service import AdapterModel

__all__ = ["AdapterModel"]
