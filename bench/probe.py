"""One call before a row is measured: a load generator takes any answer, an error too, for one."""

import asyncio

from bench.bodies import recorded, recording
from bench.subjects import CHECK, Ask, Subject
from remixer.transport.client import GrpcClient
from remixer.wire.client_codec import decode_check_response

TIMEOUT_S = 10.0
_DENIED = {"deny": 7}


def probe(subject: Subject, address: str) -> None:
    """Raises `RpcFailed`, or RuntimeError for a verdict that the row's rules cannot give."""
    if subject.ask is Ask.STREAM:
        message = recording.access_logs(subject.body, 1)[0]
    else:
        message = recorded(subject.body)
    answer = asyncio.run(_asked(address, subject.path, message))
    if subject.path == CHECK:
        found = decode_check_response(answer).status.code
        if found != _DENIED.get(subject.key, 0):
            text = f"{subject.key}: the verdict is {found}"
            raise RuntimeError(text)


async def _asked(address: str, path: str, message: bytes) -> bytes:
    client = GrpcClient(address)
    try:
        return await client.unary(path, message, timeout_s=TIMEOUT_S)
    finally:
        await client.aclose()
