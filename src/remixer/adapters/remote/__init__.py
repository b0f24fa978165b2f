"""The adapter behind `adapter` resources: every call goes to another process over gRPC.

`remote_adapter` is the `RemoteAdapterFactory` that configuration gets. `handler` knows requests and
answers, `session` the optional Validate/CreateSession/CloseSession flow; connections are
`remixer.transport.remote_channel`.
"""

from remixer.adapters.remote.factory import remote_adapter

__all__ = ["remote_adapter"]
