"""Descriptor sets of resources: what is taken, and what is wrong with the others."""

import base64
from collections.abc import Callable

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from remixer.attributes.values import ValueType
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.wire.adapter_model import ServiceVariety
from remixer.wire.descriptor_schema import FieldType, OutputField
from remixer.wire.descriptors import (
    MAX_DESCRIPTOR_BYTES,
    DescriptorError,
    DescriptorFault,
    decode_params,
    decode_template,
    fields_without_encoder,
)
from remixer.wire.field_bytes import LENGTH_DELIMITED, VARINT, tag, varint
from remixer.wire.template_descriptors import template_descriptor_set

TEMPLATES = {template.name: template for template in BUILTIN_TEMPLATES}
OPTION = 72295727
Change = Callable[[FileDescriptorSet], None]


def text_of(files: FileDescriptorSet | bytes) -> str:
    content = files if isinstance(files, bytes) else files.SerializeToString()
    return base64.b64encode(content).decode()


def metric(change: Change = lambda _files: None) -> str:
    """The set of template `metric`, changed."""
    files = FileDescriptorSet.FromString(template_descriptor_set(TEMPLATES["metric"]))
    change(files)
    return text_of(files)


def own(files: FileDescriptorSet) -> FileDescriptorProto:
    """The file with the service."""
    return files.file[-1]


def set_options(file: FileDescriptorProto, options: bytes) -> None:
    file.ClearField("options")
    file.options.MergeFromString(options)


def variety(number: int) -> bytes:
    return tag(OPTION, VARINT) + varint(number)


def name_option(name: bytes) -> bytes:
    return tag(72295888, LENGTH_DELIMITED) + varint(len(name)) + name


def refused(text: str) -> DescriptorError:
    with pytest.raises(DescriptorError) as caught:
        decode_template(text)
    return caught.value


@pytest.mark.parametrize("template", TEMPLATES)
def test_our_own_templates_are_taken(template: str) -> None:
    found = decode_template(text_of(template_descriptor_set(TEMPLATES[template])))
    assert found.name == template
    assert found.package == TEMPLATES[template].package
    assert int(found.variety) == int(TEMPLATES[template].variety)
    assert found.path.startswith(f"/{found.package}.Handle")
    assert found.has_output == (template == "kubernetes")
    assert not list(fields_without_encoder(found))


def test_line_breaks_in_base64_do_not_matter() -> None:
    text = metric()
    assert decode_template("\n".join((text[:76], text[76:], ""))) == decode_template(text)


def test_variety_check_is_told_from_no_variety() -> None:
    text = text_of(template_descriptor_set(TEMPLATES["checknothing"]))
    assert decode_template(text).variety is ServiceVariety.CHECK


def test_copies_of_well_known_files_are_taken_under_any_name() -> None:
    def copy(files: FileDescriptorSet) -> None:
        files.file.insert(0, files.file[0])
        twin = files.file.add()
        twin.CopyFrom(files.file[0])
        twin.name = f"github.com/{twin.name}"

    assert decode_template(metric(copy)).path == "/metric.HandleMetricService/HandleMetric"


def test_same_service_file_twice_counts_once() -> None:
    def copy(files: FileDescriptorSet) -> None:
        files.file.append(own(files))

    assert decode_template(metric(copy)).name == "metric"


def no_option(files: FileDescriptorSet) -> None:
    own(files).ClearField("options")


def two_options(files: FileDescriptorSet) -> None:
    set_options(files.file[0], variety(1))


def no_name(files: FileDescriptorSet) -> None:
    set_options(own(files), variety(1))


def bad_name(files: FileDescriptorSet) -> None:
    set_options(own(files), variety(1) + name_option(b"my-metric"))


def unknown_variety(files: FileDescriptorSet) -> None:
    set_options(own(files), variety(9) + name_option(b"metric"))


def no_instance(files: FileDescriptorSet) -> None:
    message = next(each for each in own(files).message_type if each.name == "InstanceMsg")
    message.name = "Template"


def no_service(files: FileDescriptorSet) -> None:
    own(files).service[0].name = "MetricService"


def no_method(files: FileDescriptorSet) -> None:
    own(files).service[0].ClearField("method")


def loop(files: FileDescriptorSet) -> None:
    files.file[0].dependency.append(own(files).name)


def self_import(files: FileDescriptorSet) -> None:
    own(files).dependency.append(own(files).name)


def missing_import(files: FileDescriptorSet) -> None:
    kept = [each for each in files.file if each.name != "policy/v1beta1/type.proto"]
    files.ClearField("file")
    files.file.extend(kept)


def undefined_type(files: FileDescriptorSet) -> None:
    message = next(each for each in own(files).message_type if each.name == "InstanceMsg")
    message.field[0].type_name = ".metric.Nowhere"


@pytest.mark.parametrize(
    ("change", "fault", "text"),
    [
        (no_option, DescriptorFault.NO_TEMPLATE, "there has to be one proto file that has the"),
        (two_options, DescriptorFault.SEVERAL_TEMPLATES, "both have the option"),
        (no_name, DescriptorFault.BAD_NAME, "is missing required template_name option"),
        (
            bad_name,
            DescriptorFault.BAD_NAME,
            "the template name 'my-metric' must match the regex '^[a-zA-Z]+$'",
        ),
        (unknown_variety, DescriptorFault.UNKNOWN_VARIETY, "template_variety is 9"),
        (no_instance, DescriptorFault.INCOMPLETE, "no message `metric.InstanceMsg`"),
        (no_service, DescriptorFault.INCOMPLETE, "begins with `Handle`"),
        (no_method, DescriptorFault.INCOMPLETE, "begins with `Handle`"),
        (loop, DescriptorFault.IMPORT_LOOP, "a loop of imports: "),
        (self_import, DescriptorFault.IMPORT_LOOP, "a loop of imports: "),
        (missing_import, DescriptorFault.MISSING_IMPORT, "`policy/v1beta1/type.proto`"),
        (undefined_type, DescriptorFault.INCOMPLETE, "`metric.Nowhere`"),
    ],
)
def test_faulty_sets(change: Change, fault: DescriptorFault, text: str) -> None:
    error = refused(metric(change))
    assert error.fault is fault
    assert text in error.message


@pytest.mark.parametrize(
    ("text", "fault", "message"),
    [
        ("", DescriptorFault.NOT_A_SET, "no files"),
        ("***", DescriptorFault.NOT_BASE64, "illegal base64 data"),
        ("YQ", DescriptorFault.NOT_BASE64, "illegal base64 data"),
        (text_of(b"\x0a\xff"), DescriptorFault.NOT_A_SET, "unexpected EOF"),
        (text_of(b"\x0a\x00"), DescriptorFault.NOT_A_SET, "no files with names"),
        (text_of(bytes(MAX_DESCRIPTOR_BYTES + 1)), DescriptorFault.NOT_A_SET, "at most"),
    ],
)
def test_what_is_no_set(text: str, fault: DescriptorFault, message: str) -> None:
    error = refused(text)
    assert error.fault is fault
    assert message in error.message


def test_import_that_nothing_needs_may_be_missing() -> None:
    def forget(files: FileDescriptorSet) -> None:
        own(files).dependency.append("gogoproto/gogo.proto")

    assert decode_template(metric(forget)).name == "metric"


def test_fields_that_configuration_cannot_set_are_told() -> None:
    def add_bytes(files: FileDescriptorSet) -> None:
        message = next(each for each in own(files).message_type if each.name == "InstanceMsg")
        message.field.add(name="photo", number=50, type=FieldDescriptorProto.TYPE_BYTES)

    found = decode_template(metric(add_bytes))
    assert list(fields_without_encoder(found)) == [("InstanceMsg.photo", "is of type `bytes`")]


def test_outputs_have_types_and_lists_are_left_out() -> None:
    def change(files: FileDescriptorSet) -> None:
        message = next(each for each in own(files).message_type if each.name == "OutputMsg")
        message.field.add(
            name="many",
            number=90,
            type=FieldDescriptorProto.TYPE_STRING,
            label=FieldDescriptorProto.LABEL_REPEATED,
        )

    files = FileDescriptorSet.FromString(template_descriptor_set(TEMPLATES["kubernetes"]))
    change(files)
    found = {each.name: each for each in decode_template(text_of(files)).output}
    assert found["source_labels"].type is ValueType.STRING_MAP
    assert found["source_pod_ip"] == OutputField(
        "source_pod_ip",
        1,
        FieldType.MESSAGE,
        "istio.policy.v1beta1.IPAddress",
        ValueType.IP_ADDRESS,
    )
    assert "many" not in found


def test_generator_without_output_message_is_kept() -> None:
    files = FileDescriptorSet.FromString(template_descriptor_set(TEMPLATES["kubernetes"]))
    message = next(each for each in own(files).message_type if each.name == "OutputMsg")
    message.name = "Other"
    found = decode_template(text_of(files))
    assert not found.has_output
    assert found.output == ()


def test_messages_that_hold_each_other_come_to_an_end() -> None:
    def circle(files: FileDescriptorSet) -> None:
        types = next(each for each in own(files).message_type if each.name == "Type")
        for number in range(100, 110):
            types.field.add(
                name=f"again{number}",
                number=number,
                type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=".metric.Type",
            )

    assert decode_template(metric(circle)).types.fields


def params_set(*packages: str) -> str:
    return text_of(
        FileDescriptorSet(
            file=[
                FileDescriptorProto(
                    name=f"{package}.proto",
                    package=package,
                    message_type=[DescriptorProto(name="Params")],
                )
                for package in packages
            ]
        )
    )


def test_last_file_with_params_counts() -> None:
    assert decode_params(params_set("first", "second")).message.name == "second.Params"


def test_params_of_no_package() -> None:
    assert decode_params(params_set("")).message.name == "Params"


def test_set_without_params_is_refused_in_mixers_words() -> None:
    with pytest.raises(DescriptorError, match="cannot find message named 'Params'") as caught:
        decode_params(metric())
    assert caught.value.fault is DescriptorFault.NO_PARAMS
