"""What a record costs a client: `python -m bench.report_batch` prints µs and bytes per record.

Records of 35 attributes, ten of them headers, of which twelve change from one to the next; half
of those that stay are new objects with the old content, as parsers make them. `another set` has
every tenth record without one attribute.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from random import Random
from statistics import median

from remixer.attributes.bag import Bag, PlainBag, plain_bag
from remixer.attributes.values import Duration, Timestamp, Value
from remixer.wire.client_codec import encode_report_request
from remixer.wire.report_batch import AT_ONCE, ReportBatch

RECORDS = 1_000
ROUNDS = 9
GOAL_US = 8.0
_STAYS: dict[str, Value] = {
    "context.protocol": "http",
    "context.reporter.kind": "inbound",
    "context.reporter.uid": "kubernetes://cart-6c9d7f5b4-x2x7p.shop",
    "context.proxy_version": "1.3.8",
    "connection.mtls": True,
    "connection.requested_server_name": "outbound_.8080_._.cart.shop.svc.cluster.local",
    "destination.ip": bytes((10, 4, 0, 17)),
    "destination.port": 8080,
    "destination.uid": "kubernetes://cart-6c9d7f5b4-x2x7p.shop",
    "destination.namespace": "shop",
    "destination.principal": "cluster.local/ns/shop/sa/cart",
    "destination.service.host": "cart.shop.svc.cluster.local",
    "destination.service.name": "cart",
    "destination.service.namespace": "shop",
    "destination.service.uid": "istio://shop/services/cart",
    "origin.ip": bytes((10, 4, 0, 3)),
    "request.host": "cart.shop:8080",
    "request.method": "GET",
    "request.scheme": "http",
    "request.useragent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
    "request.api_key": "",
    "source.namespace": "shop",
    "source.principal": "cluster.local/ns/shop/sa/web",
}


def records(count: int, *, has_another_set: bool = False) -> list[PlainBag]:
    chance = Random(6)  # noqa: S311 - arbitrary records, the same ones each time
    return [
        _record(number, chance, is_short=has_another_set and number % 10 == 9)
        for number in range(count)
    ]


def _record(number: int, chance: Random, *, is_short: bool) -> PlainBag:
    began_ns = 1_622_505_600_000_000_000 + number * 1_734_567
    took_ns = chance.randrange(400_000, 60_000_000)
    path = f"/cart/items/{chance.randrange(300)}"
    trace, request_id = f"{chance.getrandbits(64):016x}", f"{chance.getrandbits(64):016x}"
    stays: dict[str, Value] = {
        # Every other text is a new object.
        name: "".join(list(value)) if isinstance(value, str) and slot % 2 else value
        for slot, (name, value) in enumerate(_STAYS.items())
    }
    if is_short:
        del stays["request.api_key"]
    return plain_bag(
        {
            **stays,
            "request.headers": {
                ":authority": "cart.shop:8080",
                ":method": "GET",
                ":path": path,
                "accept": "*/*",
                "accept-encoding": "gzip, deflate",
                "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",
                "x-b3-traceid": trace,
                "x-forwarded-proto": "http",
                "x-request-id": request_id,
                "x-user": f"user-{chance.randrange(50)}",
            },
            "request.id": request_id,
            "request.path": path,
            "request.size": chance.randrange(2_000),
            "request.time": Timestamp(began_ns),
            "request.total_size": chance.randrange(2_000, 4_000),
            "response.code": chance.choice((200, 200, 200, 404, 503)),
            "response.duration": Duration(took_ns),
            "response.size": chance.randrange(20_000),
            "response.time": Timestamp(began_ns + took_ns),
            "response.total_size": chance.randrange(20_000, 24_000),
            "source.uid": f"kubernetes://web-{chance.randrange(9)}.shop",
        }
    )


def batched(bags: Iterable[Bag]) -> list[bytes]:
    batch = ReportBatch()
    found: list[bytes] = []
    for bag in bags:
        batch.add(bag)
        if batch.waiting >= AT_ONCE:
            found += [report.payload for report in batch.encode()]
    return found + [report.payload for report in batch.finish()]


def independent(bags: Iterable[Bag]) -> list[bytes]:
    return [encode_report_request(bags)]


def _measured(
    name: str, encode: Callable[[Sequence[Bag]], list[bytes]], bags: Sequence[Bag]
) -> None:
    samples: list[float] = []
    requests: list[bytes] = []
    for _ in range(ROUNDS):
        begun = time.process_time_ns()
        requests = encode(bags)
        samples.append((time.process_time_ns() - begun) / 1e3 / len(bags))
    size = sum(map(len, requests)) / len(bags)
    print(
        f"{name:34} {min(samples):6.1f} µs (median {median(samples):.1f})"
        f" {size:7.0f} bytes per record, {len(requests)} requests"
    )


def main() -> None:
    same, mixed = records(RECORDS), records(RECORDS, has_another_set=True)
    print(f"{RECORDS} records of {len(list(same[0].names()))} attributes; goal {GOAL_US} µs")
    _measured("batch, delta", batched, same)
    _measured("batch, delta, another set", batched, mixed)
    _measured("encode_report_request, independent", independent, same)


if __name__ == "__main__":
    main()
