"""Our templates as the service definitions that Mixer's generator made of them."""

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.wire.template_descriptors import template_descriptor_set

TEMPLATES = {template.name: template for template in BUILTIN_TEMPLATES}
PATHS = {
    "apikey": "/apikey.HandleApiKeyService/HandleApiKey",
    "authorization": "/authorization.HandleAuthorizationService/HandleAuthorization",
    "checknothing": "/checknothing.HandleCheckNothingService/HandleCheckNothing",
    "edge": "/edge.HandleEdgeService/HandleEdge",
    "kubernetes": "/adapter.template.kubernetes.HandleKubernetesService/HandleKubernetes",
    "listentry": "/listentry.HandleListEntryService/HandleListEntry",
    "logentry": "/logentry.HandleLogEntryService/HandleLogEntry",
    "metric": "/metric.HandleMetricService/HandleMetric",
    "quota": "/quota.HandleQuotaService/HandleQuota",
    "reportnothing": "/reportnothing.HandleReportNothingService/HandleReportNothing",
    "tracespan": "/tracespan.HandleTraceSpanService/HandleTraceSpan",
}


def service_file(template: str) -> FileDescriptor:
    """The file with the service, in a pool that has nothing but the set."""
    files = FileDescriptorSet.FromString(template_descriptor_set(TEMPLATES[template])).file
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)  # type: ignore[no-untyped-call] # a gap of the stubs
    return pool.FindFileByName(files[-1].name)


def fields(file: FileDescriptor, message: str) -> dict[str, int]:
    return {each.name: each.number for each in file.message_types_by_name[message].fields}


def test_every_template_has_a_path_of_the_original() -> None:
    assert TEMPLATES.keys() == PATHS.keys()


@pytest.mark.parametrize(("template", "path"), PATHS.items())
def test_service_and_method_are_named_as_in_mixer(template: str, path: str) -> None:
    (service,) = service_file(template).services_by_name.values()
    assert f"/{service.full_name}/{service.methods[0].name}" == path


def test_options_are_those_bytes_that_mixer_looks_for_even_for_variety_check() -> None:
    options = service_file("checknothing").GetOptions().SerializeToString()
    assert options.hex(" ") == "f8 d2 e4 93 02 00 82 dd e4 93 02 0c " + b"checknothing".hex(" ")


def test_request_of_the_worked_example_has_the_bytes_of_the_reference() -> None:
    request = GetMessageClass(
        service_file("checknothing").message_types_by_name["HandleCheckNothingRequest"]
    )(instance={"name": "nothing.instance.shop"}, dedup_id="17")
    instance = bytes.fromhex("fad2e4930215") + b"nothing.instance.shop"
    assert request.SerializeToString() == b"\x0a\x1b" + instance + bytes.fromhex("1a023137")


def test_reports_hand_over_many_instances_and_checks_one() -> None:
    assert fields(service_file("metric"), "HandleMetricRequest")["instances"] == 1
    assert fields(service_file("listentry"), "HandleListEntryRequest")["instance"] == 1


def test_quota_request_has_its_amounts() -> None:
    assert fields(service_file("quota"), "HandleQuotaRequest") == {
        "instance": 1,
        "adapter_config": 2,
        "dedup_id": 3,
        "quota_request": 4,
    }


def test_type_has_only_what_is_inferred() -> None:
    assert fields(service_file("metric"), "Type") == {
        "value": 1,
        "dimensions": 2,
        "monitored_resource_dimensions": 4,
    }


def test_messages_of_a_template_come_as_message_type_and_param() -> None:
    file = service_file("authorization")
    assert fields(file, "SubjectMsg") == {"user": 1, "groups": 2, "properties": 3}
    assert fields(file, "SubjectType") == {"properties": 3}
    assert fields(file, "SubjectInstanceParam") == {"user": 1, "groups": 2, "properties": 3}
    assert file.message_types_by_name["Type"].fields_by_name["subject"].message_type.name == (
        "SubjectType"
    )


def test_generator_has_output_and_bindings() -> None:
    file = service_file("kubernetes")
    assert fields(file, "OutputMsg")["source_pod_uid"] == 31
    assert fields(file, "InstanceParam")["attribute_bindings"] == 72295728
    (service,) = file.services_by_name.values()
    assert service.methods[0].output_type.name == "OutputMsg"


def test_only_what_is_used_is_imported() -> None:
    imported = {each.name for each in service_file("checknothing").dependencies}
    assert imported == {
        "google/protobuf/any.proto",
        "mixer/adapter/model/v1beta1/check.proto",
        "mixer/adapter/model/v1beta1/extensions.proto",
    }
