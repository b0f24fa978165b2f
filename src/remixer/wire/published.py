"""Our descriptors under the names that other people know, for reflection.

Envoy's and gRPC's messages live in packages of our own (`remixer.envoy…`); on the wire they are
Envoy's. What is published here has Envoy's names, and Mixer's word lists as the text that they
are; see `protos/README.md`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from remixer.wire._pb.envoy.service.accesslog.v3 import als_pb2
from remixer.wire._pb.envoy.service.auth.v3 import external_auth_pb2
from remixer.wire._pb.grpc.health.v1 import health_pb2
from remixer.wire._pb.grpc.reflection.v1 import reflection_pb2
from remixer.wire._pb.grpc.reflection.v1alpha import reflection_pb2 as reflection_alpha_pb2
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import infrastructure_backend_pb2
from remixer.wire._pb.istio.mixer.v1 import service_pb2
from remixer.wire._pb.istio.policy.v1beta1 import http_response_pb2
from remixer.wire._pb.remixer.v1alpha1 import cache_pb2

_OUR_FOLDER: Final = "remixer/"
_OUR_PACKAGE: Final = "remixer."
_OUR_TYPES: Final = ".remixer."
_MIXER_PACKAGE: Final = "istio.mixer.v1"
_WORD_LISTS: Final = frozenset({"words", "default_words"})

# Files that nothing else imports: services, and what only travels inside Any.
_ROOTS: Final[tuple[FileDescriptor, ...]] = (
    service_pb2.DESCRIPTOR,
    http_response_pb2.DESCRIPTOR,
    external_auth_pb2.DESCRIPTOR,
    als_pb2.DESCRIPTOR,
    health_pb2.DESCRIPTOR,
    reflection_pb2.DESCRIPTOR,
    reflection_alpha_pb2.DESCRIPTOR,
    cache_pb2.DESCRIPTOR,
)


# What the server of an adapter has besides the services of its templates.
ADAPTER_ROOTS: Final[tuple[FileDescriptor, ...]] = (
    infrastructure_backend_pb2.DESCRIPTOR,
    http_response_pb2.DESCRIPTOR,
    health_pb2.DESCRIPTOR,
    reflection_pb2.DESCRIPTOR,
    reflection_alpha_pb2.DESCRIPTOR,
)


class PublishedSchema:
    """Serialized file descriptors, found by file name or by a symbol that the file defines."""

    __slots__ = ("_files", "_imports", "_owners")

    def __init__(
        self, roots: Iterable[FileDescriptor] = _ROOTS, *, sets: Iterable[bytes] = ()
    ) -> None:
        """`sets`: serialized `FileDescriptorSet`s, published as they are."""
        self._files: dict[str, bytes] = {}
        self._imports: dict[str, tuple[str, ...]] = {}
        self._owners: dict[str, str] = {}
        for root in roots:
            self._add(root)
        for each in sets:
            for file in FileDescriptorSet.FromString(each).file:
                self._publish(file)

    def files_with_imports(self, name: str) -> tuple[bytes, ...]:
        """The named file first, then all it imports; empty if there is no such file."""
        if name not in self._files:
            return ()
        wanted = {name: None}
        waiting = [name]
        while waiting:
            for imported in self._imports[waiting.pop()]:
                if imported not in wanted:
                    wanted[imported] = None
                    waiting.append(imported)
        return tuple(self._files[each] for each in wanted)

    def file_defining(self, symbol: str) -> str | None:
        """Name of the file with this message, enum, service or method (`package.Name`)."""
        return self._owners.get(symbol)

    def _add(self, file: FileDescriptor) -> None:
        published = FileDescriptorProto()
        file.CopyToProto(published)
        _rename(published)
        if self._publish(published):
            for imported in file.dependencies:
                self._add(imported)

    def _publish(self, file: FileDescriptorProto) -> bool:
        """Whether the file is new."""
        if file.name in self._files:
            return False
        self._files[file.name] = file.SerializeToString()
        self._imports[file.name] = tuple(file.dependency)
        for symbol in _symbols(file):
            self._owners[symbol] = file.name
        return True


def _rename(file: FileDescriptorProto) -> None:
    file.name = file.name.removeprefix(_OUR_FOLDER)
    file.package = file.package.removeprefix(_OUR_PACKAGE)
    for position, imported in enumerate(file.dependency):
        file.dependency[position] = imported.removeprefix(_OUR_FOLDER)
    for message in _all_messages(file.message_type):
        for field in message.field:
            # Setting it at all would make it present, also where it is empty.
            if field.HasField("type_name"):
                field.type_name = _public_type(field.type_name)
            if file.package == _MIXER_PACKAGE and field.name in _WORD_LISTS:
                field.type = FieldDescriptorProto.TYPE_STRING
    for service in file.service:
        for method in service.method:
            method.input_type = _public_type(method.input_type)
            method.output_type = _public_type(method.output_type)


def _public_type(name: str) -> str:
    return "." + name.removeprefix(_OUR_TYPES) if name.startswith(_OUR_TYPES) else name


def _all_messages(messages: Iterable[DescriptorProto]) -> Iterator[DescriptorProto]:
    for message in messages:
        yield message
        yield from _all_messages(message.nested_type)


def _symbols(file: FileDescriptorProto) -> Iterator[str]:
    package = file.package
    for message in file.message_type:
        yield from _symbols_of_message(message, package)
    for enum in file.enum_type:
        yield f"{package}.{enum.name}"
    for service in file.service:
        yield f"{package}.{service.name}"
        for method in service.method:
            yield f"{package}.{service.name}.{method.name}"


def _symbols_of_message(message: DescriptorProto, scope: str) -> Iterator[str]:
    name = f"{scope}.{message.name}"
    yield name
    for enum in message.enum_type:
        yield f"{name}.{enum.name}"
    for nested in message.nested_type:
        yield from _symbols_of_message(nested, name)
