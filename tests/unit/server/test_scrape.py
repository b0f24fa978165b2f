"""The page of operators' metrics: all handlers' sources, whatever one of them does."""

from dataclasses import dataclass

import pytest

from remixer.server.scrape import ScrapePage


@dataclass(slots=True, eq=False)
class Source:
    """Renders a fixed text, or fails."""

    text: bytes | None

    def render(self) -> bytes:
        if self.text is None:
            message = "collector broke"
            raise RuntimeError(message)
        return self.text


def test_a_page_without_sources_is_empty() -> None:
    assert ScrapePage().render() == b""


def test_sources_are_shown_in_order_of_publishing() -> None:
    page = ScrapePage()
    page.publish(Source(b"b 1\n"))
    page.publish(Source(b"a 1\n"))
    assert page.render() == b"b 1\na 1\n"


def test_a_source_can_be_taken_away_more_than_once() -> None:
    page = ScrapePage()
    withdraw = page.publish(Source(b"a 1\n"))
    page.publish(Source(b"b 1\n"))
    withdraw()
    withdraw()
    assert page.render() == b"b 1\n"


def test_a_shared_source_is_made_once_and_stays() -> None:
    page = ScrapePage()
    first = page.shared("prometheus", lambda: Source(b"a 1\n"))
    again = page.shared("prometheus", lambda: Source(b"never"))
    assert again is first
    assert page.render() == b"a 1\n"


def test_a_source_that_fails_hides_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    page = ScrapePage()
    page.publish(Source(None))
    page.publish(Source(b"a 1\n"))
    assert page.render() == b"a 1\n"
    assert [each.msg for each in caplog.records] == ["scrape_source_failed"]


def test_a_source_without_a_last_newline_does_not_spoil_the_next() -> None:
    page = ScrapePage()
    page.publish(Source(b"a 1"))
    page.publish(Source(b"b 1\n"))
    assert page.render() == b"a 1\nb 1\n"
