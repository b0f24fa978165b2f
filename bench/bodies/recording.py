"""From texts to bytes: `python -m bench --record` writes all of them anew.

A text holds one request, or as many as are wanted. `{number}` in it is the number of the
request, of six digits; a list in the place of a value is gone through again and again; a
timestamp may have a `step` that is added for each. `like: NAME` takes another text and changes
the attributes that are given, a map key by key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import yaml
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from bench.bodies import FOLDER, framed
from remixer.attributes.bag import PlainBag
from remixer.attributes.values import Duration, PlainStringMap, Timestamp, Value
from remixer.foundation.durations import parse_duration
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from remixer.wire._pb.envoy.service.auth.v3.external_auth_pb2 import (
    CheckRequest as EnvoyCheckRequest,
)
from remixer.wire.client_codec import encode_check_request, encode_report_request
from remixer.wire.report_batch import ReportBatch

BATCH = 100
"""Bags in one report of a batch."""


def record() -> dict[str, bytes]:
    """What the recorded files must hold, made anew from the texts."""
    messages = {
        "check-25": checks("check-25", 1)[0],
        "check-25-quota": checks("check-25-quota", 1)[0],
        "vary": checks("vary", 1)[0],
        "report-1": report("report-1"),
        "report-100": delta_report("report-100", bags=BATCH),
        "report-19-1": report("report-19-1"),
        "report-19-100": delta_report("report-19-100", bags=BATCH),
        "ext-authz": _proto("ext-authz", EnvoyCheckRequest()),
        "access-log": access_logs("access-log", 1)[0],
        "access-log-20": access_logs("access-log-20", 1)[0],
    }
    return {name: framed(message) for name, message in messages.items()}


# ------------------------------------------------------------------ Mixer


@dataclass(frozen=True, slots=True)
class Text:
    """What a text says."""

    global_word_count: int
    attributes: Mapping[str, object]
    quotas: Mapping[str, int] = field(default_factory=dict)
    deduplication_id: str = ""


def checks(name: str, count: int) -> list[bytes]:
    """Serialized `istio.mixer.v1.CheckRequest`s, the first `count` of what the text says."""
    text = read(name)
    return [check_of(text, number) for number in range(count)]


def check_of(text: Text, number: int) -> bytes:
    """One of them."""
    quotas = {key: QuotaArgs(amount) for key, amount in text.quotas.items()}
    request = CheckRequest(
        bag=bag_of(text, number), quotas=quotas, deduplication_id=text.deduplication_id
    )
    return encode_check_request(request, global_word_count=text.global_word_count)


def report(name: str) -> bytes:
    """A serialized `istio.mixer.v1.ReportRequest` of one bag."""
    text = read(name)
    return encode_report_request([bag_of(text, 0)], global_word_count=text.global_word_count)


def delta_report(name: str, *, bags: int) -> bytes:
    """One of several, each told as its difference from the one before, as clients do."""
    text = read(name)
    batch = ReportBatch(global_word_count=text.global_word_count)
    for number in range(bags):
        batch.add(bag_of(text, number))
        batch.encode()  # words in the order of records, as these bodies have always had them
    (only,) = batch.finish()
    return only.payload


def read(name: str) -> Text:
    """The text of that name."""
    return Text(**_document(name))  # type: ignore[arg-type] # our own files


def bag_of(text: Text, number: int = 0) -> PlainBag:
    """The attributes of one request."""
    return PlainBag({key: _value(value, number) for key, value in text.attributes.items()})


def _document(name: str) -> dict[str, object]:
    document: dict[str, object] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    if "like" not in document:
        return document
    model = _document(str(document.pop("like")))
    changed = _merged(model.get("attributes", {}), document.pop("attributes", {}))
    return {**model, **document, "attributes": changed}


def _merged(model: object, change: object) -> object:
    if isinstance(model, dict) and isinstance(change, dict):
        return {**model, **{key: _merged(model.get(key), value) for key, value in change.items()}}
    return change


def _value(text: object, number: int) -> Value:
    match text:
        case list():
            return _value(text[number % len(text)], number)
        case str():
            return _numbered(text, number)
        case {"ip": ip}:
            return bytes(int(part) for part in ip.split("."))
        case {"timestamp": instant, **more}:
            return Timestamp(_unix_ns(instant) + number * _nanoseconds(more.get("step", "0s")))
        case {"duration": duration}:
            return Duration(_nanoseconds(_value(duration, number)))
        case dict():
            return PlainStringMap({key: str(_value(each, number)) for key, each in text.items()})
        case int() | float():
            return text
        case _:
            pass
    message = f"`{text}` is no value of an attribute"
    raise TypeError(message)


def _numbered(text: str, number: int) -> str:
    return text.replace("{number}", f"{number:06}")


def _nanoseconds(text: object) -> int:
    return parse_duration(str(text)) or 0


def _unix_ns(text: str) -> int:
    seconds, _, fraction = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp()
    return int(whole) * 10**9 + int(fraction.ljust(9, "0"))


# ------------------------------------------------------------------ Envoy


def access_logs(name: str, count: int) -> list[bytes]:
    """Messages of Envoy's access log; each entry has a number of its own.

    The text is proto JSON, or `like: NAME` with the number of `entries` in each message.
    """
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    entries = document.get("entries", 1)
    if "like" in document:
        document = yaml.safe_load((FOLDER / f"{document['like']}.yaml").read_text())
    (entry,) = document["http_logs"]["log_entry"]
    messages = []
    for first in range(0, count * entries, entries):
        batch = [_filled(entry, first + at) for at in range(entries)]
        message = ParseDict({"http_logs": {"log_entry": batch}}, StreamAccessLogsMessage())
        messages.append(message.SerializeToString(deterministic=True))
    return messages


def _filled(tree: object, number: int) -> object:
    if isinstance(tree, str):
        return _numbered(tree, number)
    if isinstance(tree, Mapping):
        return {key: _filled(value, number) for key, value in tree.items()}
    if isinstance(tree, Sequence):
        return [_filled(value, number) for value in tree]
    return tree


def _proto(name: str, message: Message) -> bytes:
    """A serialized message of Envoy's; the text is its proto JSON. `message`: an empty one."""
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return ParseDict(document, message).SerializeToString(deterministic=True)
