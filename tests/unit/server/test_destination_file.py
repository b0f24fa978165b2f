"""The file of `--forward-auth-destinations`: read as a whole, or every fault told."""

import logging
from pathlib import Path

import pytest

from remixer.server.destination_file import load_destinations
from remixer.server.setting_table import SettingsError

GOOD = """
shop.example:
  destination.namespace: shop
  destination.service.name: web
  destination.port: 8080
  destination.labels: app=web,version=v1
  connection.mtls: true
"*.books.example": {destination.namespace: books}
"[::1]": {}
---
"*": {}
"""


def written(folder: Path, text: str) -> str:
    file = folder / "destinations.yaml"
    file.write_text(text)
    return str(file)


def faults(file: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_destinations(file)
    folder = f"{Path(file).parent}/"
    return [str(each).removeprefix(folder) for each in caught.value.problems]


def test_attributes_are_texts_by_host(tmp_path: Path) -> None:
    assert load_destinations(written(tmp_path, GOOD)) == {
        "shop.example": {
            "destination.namespace": "shop",
            "destination.service.name": "web",
            "destination.port": "8080",
            "destination.labels": "app=web,version=v1",
            "connection.mtls": "true",
        },
        "*.books.example": {"destination.namespace": "books"},
        "[::1]": {},
        "*": {},
    }


@pytest.mark.parametrize(
    "host", ["Shop.example", "shop.example:80", "shop.example.", "a.*.b", "*.", "**", "*x", '""']
)
def test_a_key_that_no_request_could_have_is_told(tmp_path: Path, host: str) -> None:
    key = host if host == '""' else f'"{host}"'
    (fault,) = faults(written(tmp_path, f"{key}: {{}}"))
    assert fault.startswith("destinations.yaml:1:1: error SET006: `")
    assert "is no host" in fault


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    text = """
a: {destination.port: http, destination.labels: [x]}
b: shop
c: {destination.namespace: {x: y}, destination.name: null}
---
- d
---
c: {}
"""
    found = faults(written(tmp_path, text))
    wanted = [
        ("2:23", "`destination.port`: `http` does not fit its type, INT64. Write a text"),
        ("2:49", "`destination.labels`: found a list; wanted a value. Write a text or a number"),
        ("3:4", "`b`: found the text `shop`; wanted a mapping of attributes."),
        ("4:28", "`destination.namespace`: found a mapping; wanted a value."),
        ("4:54", "`destination.name`: found null; wanted a value."),
        ("6:1", "found a list; wanted a mapping of hosts. Write `shop.example`"),
        ("8:1", "`c` is given twice."),
    ]
    for each, (place, message) in zip(found, wanted, strict=True):
        assert each.startswith(f"destinations.yaml:{place}: error SET006: {message}"), each


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    (fault,) = faults(str(tmp_path / "missing.yaml"))
    assert "CONF001: the file cannot be read: No such file or directory" in fault


def test_a_name_that_only_a_manifest_could_declare_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "a: {destination.namspace: shop}"
    assert load_destinations(written(tmp_path, text)) == {"a": {"destination.namspace": "shop"}}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    problem = getattr(record, "fields", {})["problem"]
    assert "Did you mean `destination.namespace`?" in problem
