"""The input that a policy sees: `{"action": {...}, "subject": {...}}`, non-empty members only.

Source: Mixer 1.3's opa adapter. Types are those of the attributes: numbers, booleans, text;
durations are nanoseconds, instants RFC 3339 text, string maps objects. Addresses are text, where
the original sent base64.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from remixer.attributes.values import Duration, Timestamp, Value
from remixer.drivers.rego.results import Json
from remixer.sdk import Authorization, stringify

_NS_PER_S = 1_000_000_000


def encode_input(instance: Authorization) -> bytes:
    """Raises `ValueError` for numbers that JSON lacks and text that is no Unicode."""
    return json.dumps(
        document_of(instance), allow_nan=False, ensure_ascii=False, separators=(",", ":")
    ).encode()


def document_of(instance: Authorization) -> dict[str, Json]:
    action, subject = instance.action, instance.subject
    return {
        "action": _present(
            namespace=action.namespace,
            service=action.service,
            method=action.method,
            path=action.path,
            properties=_properties(action.properties),
        ),
        "subject": _present(
            user=subject.user,
            # A list of one: the template's field is a single text.
            groups=[subject.groups] if subject.groups else [],
            properties=_properties(subject.properties),
        ),
    }


def _present(**members: Json) -> Json:
    return {name: value for name, value in members.items() if value}


def _properties(properties: Mapping[str, Value]) -> Json:
    return {name: _native(value) for name, value in properties.items()}


def _native(value: Value) -> Json:
    if isinstance(value, Timestamp):
        return _instant_text(value)
    if isinstance(value, Duration):
        return int(value)
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes):
        return stringify(value)
    return dict(value.whole())


def _instant_text(value: Timestamp) -> str:
    """As Go writes it: `2021-06-01T06:00:00.5Z`, no zeros at the end of the fraction."""
    seconds, fraction = divmod(value, _NS_PER_S)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{whole}{digits}Z"
