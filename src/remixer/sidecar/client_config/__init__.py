"""What the operator of a client configures: `istio.mixer.v1.config.client`.

| module | idea |
|---|---|
| `messages` | the configuration messages as dataclasses, with their defaults |
| `loading` | files to a `ClientConfig`, all faults at once; start here: `load_client_config` |
| `documents` | one file's documents, told apart |
| `checks`, `spots`, `codes` | what may stand in a message beyond its types |
| `bindings` | `QuotaSpec`, `HTTPAPISpec` and their bindings, as Kubernetes has them |
| `services` | `ClientConfig` and `ServiceView`: what holds for one service |
| `attribute_layers` | static, derived and forwarded attributes in their order |
| `quota_spec` | what a request is charged |
| `api_spec`, `uri_templates` | which operation of an API a request is, and with which key |

Nothing is exported here, so that whoever needs one part pays for that part.
"""
