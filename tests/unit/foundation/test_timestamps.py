"""RFC 3339 as Go reads it."""

from datetime import UTC, datetime, timedelta

import pytest

from remixer.foundation.timestamps import format_go_timestamp, format_timestamp, parse_timestamp

SECOND = 10**9
NOON = 1_622_548_800 * SECOND  # 2021-06-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2021-06-01T12:00:00Z", NOON),
        ("2021-06-01T14:00:00+02:00", NOON),
        ("2021-06-01T06:30:00-05:30", NOON),
        ("2021-06-01T12:00:00.5Z", NOON + SECOND // 2),
        ("2021-06-01T12:00:00,5Z", NOON + SECOND // 2),
        ("2021-06-01T12:00:00.123456789Z", NOON + 123_456_789),
        ("2021-06-01T12:00:00.1234567899999Z", NOON + 123_456_789),
        ("2021-06-01T9:00:00Z", NOON - 3 * 3600 * SECOND),
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2020-02-29T00:00:00Z", 1_582_934_400 * SECOND),
        ("2021-06-01T12:00:00+24:60", NOON - 25 * 3600 * SECOND),
    ],
)
def test_accepted_texts(text: str, nanoseconds: int) -> None:
    assert parse_timestamp(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-06-01",
        "2021-06-01T12:00:00",
        "2021-06-01t12:00:00Z",
        "2021-06-01T12:00:00z",
        "2021-06-01 12:00:00Z",
        "2021-6-01T12:00:00Z",
        "2021-06-1T12:00:00Z",
        "21-06-01T12:00:00Z",
        "2021-13-01T12:00:00Z",
        "2021-00-01T12:00:00Z",
        "2021-06-31T12:00:00Z",
        "2021-06-00T12:00:00Z",
        "2021-02-29T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2021-06-01T24:00:00Z",
        "2021-06-01T12:60:00Z",
        "2021-06-01T12:00:60Z",
        "2021-06-01T12:0:00Z",
        "2021-06-01T12:00:0Z",
        "2021-06-01T:00:00Z",
        "2021-06-01T120:00:00Z",
        "2021-06-01T12:00Z",
        "2021-06-01T12:00:00.Z",
        "2021-06-01T12:00:00+0200",
        "2021-06-01T12:00:00+2:00",
        "2021-06-01T12:00:00+ab:00",
        "2021-06-01T12:00:00+25:00",
        "2021-06-01T12:00:00+02:61",
        "2021-06-01T12:00:00*02:00",
        "2021-06-01T12:00:00ZZ",
        "\uff12\uff10\uff12\uff11-06-01T12:00:00Z",
        " 2021-06-01T12:00:00Z",
    ],
)
def test_refused_texts(text: str) -> None:
    assert parse_timestamp(text) is None


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (NOON, "2021-06-01T12:00:00Z"),
        (NOON + 120_000_000, "2021-06-01T12:00:00.12Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_text_form_drops_trailing_zeros(nanoseconds: int, text: str) -> None:
    assert format_timestamp(nanoseconds) == text
    assert parse_timestamp(text) == nanoseconds


def test_go_form_is_what_mixer_prints() -> None:
    assert format_go_timestamp(NOON) == "2021-06-01 12:00:00 +0000 UTC"


def test_calendar_agrees_with_pythons_over_its_whole_range() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for days in range(-719_162, 2_932_896, 1_009):
        moment = epoch + timedelta(days=days)
        text = moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
        assert format_timestamp(days * 86_400 * SECOND) == text
        assert parse_timestamp(text) == days * 86_400 * SECOND


def test_year_zero_exists() -> None:
    moment = parse_timestamp("0000-02-29T00:00:00Z")
    assert moment is not None
    assert format_timestamp(moment) == "0000-02-29T00:00:00Z"
