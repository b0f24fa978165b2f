"""Whatever comes and goes, the autoscaler is told little, the truth, and nothing for ever."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.reporting import Report, Reporting

_REVISIONS = [Revision("shop", name) for name in "abcd"]
_steps = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "leave", "tick", "connect", "doubt"]),
        st.sampled_from(_REVISIONS),
        st.floats(0, 2),
    ),
    max_size=60,
)


class _Model:
    """Who waits, counted by hand, and the reporting beside it."""

    def __init__(self, most: int) -> None:
        self.reporting = Reporting(most_revisions=most)
        self.held = dict.fromkeys(_REVISIONS, 0)
        self.most_held = 1
        self.now_s = 0.0

    def arrive(self, revision: Revision) -> None:
        self.held[revision] += 1
        self.most_held = max(self.most_held, self.held[revision])
        self.reporting.arrive(revision, now_s=self.now_s)

    def leave(self, revision: Revision) -> None:
        if self.held[revision]:
            self.held[revision] -= 1
            self.reporting.leave(revision, now_s=self.now_s)

    def tick(self, _revision: Revision) -> None:
        self._check(self.reporting.tick(now_s=self.now_s))

    def connect(self, _revision: Revision) -> None:
        self._check(self.reporting.held_now(now_s=self.now_s))
        self.reporting.delivered(_REVISIONS)

    def doubt(self, revision: Revision) -> None:
        self.reporting.doubt(revision, now_s=self.now_s)

    def _check(self, reports: list[Report]) -> None:
        assert len({each.revision for each in reports}) == len(reports)
        for each in reports:
            assert math.isfinite(each.concurrency)
            assert 0 <= each.concurrency <= self.most_held + 1e-6
            assert each.request_count >= 0


@settings(max_examples=200)
@given(steps=_steps, most=st.integers(1, 5))
def test_reports_are_few_true_and_end(steps: list[tuple[str, Revision, float]], most: int) -> None:
    model = _Model(most)
    reporting = model.reporting
    for what, revision, passed_s in steps:
        model.now_s += passed_s
        getattr(model, what)(revision)
        assert len(reporting) <= most
        assert reporting.held <= sum(model.held.values())
    for revision, requests in model.held.items():
        reporting.leave(revision, now_s=model.now_s, requests=requests)
    reporting.delivered(_REVISIONS)
    for second in (1, 2):
        reporting.tick(now_s=model.now_s + second)
    assert (len(reporting), reporting.tick(now_s=model.now_s + 3)) == (0, [])
