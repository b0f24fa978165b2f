"""Method handlers of grpcio, taken apart and put together again around another behaviour.

What an interceptor gives back always takes a stream of requests, whatever the handler takes: a
server that expects one request reads it before it calls anybody, and the verdict comes first.
"""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import grpc

from remixer.sidecar.grpc_call import Deserializer, Serializer

if TYPE_CHECKING:
    # The stubs have parameters that the class itself lacks.
    Handler: TypeAlias = grpc.RpcMethodHandler[object, object]
else:
    Handler = grpc.RpcMethodHandler

Behaviour: TypeAlias = Callable[..., object]
"""A servicer's function: of a request, or an iterator of them, and a context."""

_POOL: Final = "experimental_thread_pool"


class Method(NamedTuple):
    """What of a handler counts."""

    behaviour: Behaviour
    takes_stream: bool
    gives_stream: bool
    deserialize: Deserializer | None = None
    serialize: Serializer | None = None

    @classmethod
    def of(cls, handler: Handler) -> "Method":
        takes, gives = handler.request_streaming, handler.response_streaming
        name = f"{'stream' if takes else 'unary'}_{'stream' if gives else 'unary'}"
        return cls(
            getattr(handler, name),
            takes,
            gives,
            handler.request_deserializer,
            handler.response_serializer,
        )

    @property
    def is_async(self) -> bool:
        """Whether grpcio's asyncio server calls it in the loop, by grpcio's own rules."""
        behaviour = self.behaviour
        if inspect.iscoroutinefunction(behaviour):
            return True
        if self.gives_stream:
            return inspect.isasyncgenfunction(behaviour)
        return inspect.iscoroutinefunction(getattr(behaviour, "__call__", None))  # noqa: B004 - not whether, but how it is called

    def around(self, behave: Behaviour, deserialize: Deserializer) -> Handler:
        """A handler that runs `behave` where this one runs: requests in a stream, bytes out."""
        pool = getattr(self.behaviour, _POOL, None)
        if pool is not None:
            setattr(behave, _POOL, pool)
        if self.gives_stream:
            return grpc.stream_stream_rpc_method_handler(behave, deserialize)
        return grpc.stream_unary_rpc_method_handler(behave, deserialize)
