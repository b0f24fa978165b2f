"""Every variety over a real socket, to a grpcio server made of the descriptors alone."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessages

from remixer.attributes.bag import plain_bag
from remixer.attributes.values import Timestamp
from remixer.foundation.status import Code
from remixer.mixer.outcome import HeaderOperation
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.remote_texts import (
    KEYVAL,
    adapter_resource,
    params_descriptor_set,
    remote_handler,
    remote_instance,
    template_resource,
)
from remixer.testing.texts import action, rule
from remixer.wire._pb.istio.policy.v1beta1.http_response_pb2 import DirectHttpResponse
from remixer.wire.template_descriptors import template_descriptor_set

pytestmark = pytest.mark.integration

TEMPLATES = {template.name: template for template in BUILTIN_TEMPLATES}
WORDS = """
kind: attributemanifest
metadata: {name: words, namespace: istio-system}
spec:
  attributes:
    user: {valueType: STRING}
    size: {valueType: INT64}
    at: {valueType: TIMESTAMP}
    address: {valueType: IP_ADDRESS}
    source.uid: {valueType: STRING}
    source.labels: {valueType: STRING_MAP}
    request.headers: {valueType: STRING_MAP}
---
"""
TABLE = params_descriptor_set("config.keyval", table="map")
PARAMS: Any = GetMessages(
    descriptor_pb2.FileDescriptorSet.FromString(TABLE).file, pool=DescriptorPool()
)["config.keyval.Params"]


def mesh_rule(name: str, *actions: str, match: str = "", more: str = "") -> str:
    return rule(name, *actions, match=match, more=more, namespace="istio-system")


def request(quotas: dict[str, QuotaArgs] | None = None, **attributes: Any) -> CheckRequest:
    return CheckRequest(bag=plain_bag(attributes), quotas=quotas or {}, deduplication_id="call-1")


def resources(template: str, address: str, params: str, **more: str) -> str:
    """Template, adapter, handler `h` and instance `i` of one built-in template."""
    return "".join(
        (
            WORDS,
            template_resource(template, TEMPLATES[template]),
            adapter_resource("remote", template),
            remote_handler("h", "remote", address),
            remote_instance("i", template, params, **more),
        )
    )


@pytest.fixture
def lookup_files() -> Callable[[str], str]:
    """The keyval sample: a table in the adapter's parameters, a header of what is found."""

    def files(address: str) -> str:
        return "".join(
            (
                WORDS,
                template_resource("keyval", KEYVAL),
                adapter_resource("keyval", "keyval", config=TABLE),
                remote_handler("h", "keyval", address, "table: {ann: admin, bob: guest}"),
                remote_instance("i", "keyval", "key: user"),
                mesh_rule(
                    "r",
                    action("h", "i", name="x"),
                    more="requestHeaderOperations: [{name: x-role, values: [x.output.value]}]",
                ),
            )
        )

    return files


async def keyval_answer(asked: Any, response: Any) -> Any:
    """Looks the key up in the table that came along."""
    table = PARAMS.FromString(asked.adapter_config.value).table
    found = table.get(asked.instance.key)
    answer = response()
    if found is None:
        answer.result.status.code = Code.NOT_FOUND
        direct = DirectHttpResponse(
            code="Forbidden", body=f"no {asked.instance.key}", headers={"a": "b"}
        )
        detail = AnyMessage()
        detail.Pack(direct)
        answer.result.status.details.add(type_url=detail.type_url, value=detail.value)
        return answer
    answer.result.valid_duration.seconds = 5
    answer.result.valid_use_count = 7
    answer.output.value = found
    return answer


async def test_check_with_output_feeds_header_operations(
    serve: Any, run: Any, describe: Any, lookup_files: Callable[[str], str]
) -> None:
    keyval = describe(template_descriptor_set(KEYVAL), keyval_answer)
    running = await run(lookup_files(await serve(keyval)))
    outcome = await running.engine.check(request(user="ann"))
    assert outcome.status.is_ok
    assert (outcome.valid_duration, outcome.valid_use_count) == (5_000_000_000, 7)
    assert outcome.directive.request_header_operations == (HeaderOperation("x-role", "admin"),)
    (asked,) = keyval.requests
    assert asked.instance.name == "i.instance.istio-system"
    assert asked.adapter_config.type_url == "type.googleapis.com/config.keyval.Params"
    assert asked.dedup_id.isdecimal()


async def test_detail_of_a_denial_is_what_the_client_gets(
    serve: Any, run: Any, describe: Any, lookup_files: Callable[[str], str]
) -> None:
    address = await serve(describe(template_descriptor_set(KEYVAL), keyval_answer))
    outcome = await (await run(lookup_files(address))).engine.check(request(user="eve"))
    assert outcome.status.code == Code.NOT_FOUND
    assert outcome.directive.direct_response_code == 403
    assert outcome.directive.direct_response_body == "no eve"
    assert outcome.directive.response_header_operations == (HeaderOperation("a", "b"),)


async def test_check_without_fields(serve: Any, run: Any, describe: Any, always: Any) -> None:
    nothing = describe(
        template_descriptor_set(TEMPLATES["checknothing"]),
        always(status={"code": 7, "message": "closed"}),
    )
    files = resources("checknothing", await serve(nothing), "") + mesh_rule("r", action("h", "i"))
    outcome = await (await run(files)).engine.check(request())
    assert outcome.status.code == Code.PERMISSION_DENIED
    assert outcome.status.message == "h.handler.istio-system:closed"
    assert not nothing.requests[0].HasField("adapter_config")


async def test_reports_arrive_as_one_batch(
    serve: Any, run: Any, describe: Any, always: Any
) -> None:
    metric = describe(template_descriptor_set(TEMPLATES["metric"]), always())
    params = "value: size, dimensions: {who: user, at: at, fix: \"'text'\", one: 1, ip: address}"
    files = resources("metric", await serve(metric), params) + mesh_rule("r", action("h", "i"))
    running = await run(files)
    bags = [
        plain_bag({"user": user, "size": 3, "at": Timestamp(1_500_000_000), "address": b"\x01" * 4})
        for user in ("ann", "bob")
    ]
    running.engine.report(bags)
    await running.reloader.flush()
    (asked,) = metric.requests
    first, second = asked.instances
    assert first.value.int64_value == 3
    assert first.dimensions["who"].string_value == "ann"
    assert second.dimensions["who"].string_value == "bob"
    assert first.dimensions["fix"].string_value == "text"
    assert first.dimensions["one"].double_value == 1.0
    assert first.dimensions["ip"].ip_address_value.value == b"\x01" * 4
    assert first.dimensions["at"].timestamp_value.value.nanos == 500_000_000


async def test_quota_is_granted_under_the_instance_name(
    serve: Any, run: Any, describe: Any
) -> None:
    async def grant(asked: Any, response: Any) -> Any:
        (name,) = asked.quota_request.quotas
        answer = response()
        answer.quotas[name].granted_amount = asked.quota_request.quotas[name].amount - 1
        answer.quotas[name].valid_duration.seconds = 2
        return answer

    quota = describe(template_descriptor_set(TEMPLATES["quota"]), grant)
    files = resources("quota", await serve(quota), "dimensions: {who: user}")
    running = await run(files + mesh_rule("r", action("h", "i")))
    outcome = await running.engine.check(
        request({"i": QuotaArgs(amount=5, best_effort=True)}, user="ann")
    )
    assert outcome.quotas["i"].granted == 4
    assert outcome.quotas["i"].valid_duration == 2_000_000_000
    (asked,) = quota.requests
    assert asked.dedup_id == "call-1i"
    assert asked.quota_request.quotas["i.instance.istio-system"].best_effort is True


async def test_generated_attributes_are_there_for_conditions(
    serve: Any, run: Any, describe: Any, always: Any
) -> None:
    generator = describe(
        template_descriptor_set(TEMPLATES["kubernetes"]),
        always(source_pod_uid="pod-1", source_labels={"app": "shop"}),
    )
    bindings = "source.uid: output.source_pod_uid, source.labels: output.source_labels"
    nothing = describe(
        template_descriptor_set(TEMPLATES["checknothing"]), always(status={"code": 7})
    )
    address = await serve(generator, nothing)
    files = "".join(
        (
            resources("kubernetes", address, "source_ip: address", bindings=bindings),
            mesh_rule("generate", action("h", "i")),
            template_resource("nothing", TEMPLATES["checknothing"]),
            adapter_resource("denier", "nothing"),
            remote_handler("deny", "denier", address),
            remote_instance("none", "nothing"),
            mesh_rule(
                "deny",
                action("deny", "none"),
                match='source.uid == "pod-1" && source.labels["app"] == "shop"',
            ),
        )
    )
    running = await run(files)
    outcome = await running.engine.check(request(address=b"\x0a\x00\x00\x01"))
    assert outcome.status.code == Code.PERMISSION_DENIED
    assert generator.requests[0].instance.source_ip.value == b"\x0a\x00\x00\x01"


async def test_back_end_is_told_what_is_left_of_the_deadline(
    serve: Any, run: Any, describe: Any, always: Any
) -> None:
    described = describe(template_descriptor_set(TEMPLATES["checknothing"]), always())
    files = resources("checknothing", await serve(described), "") + mesh_rule("r", action("h", "i"))
    running = await run(files, adapter_timeout_s=3.0)
    await running.engine.check(request())
    assert 0 < described.times_left_s[0] <= 3.1  # gRPC rounds what it tells
