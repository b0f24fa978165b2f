"""What is remembered, asked for and learned without a Mixer around it."""

from dataclasses import replace
from random import Random

import pytest

from remixer.attributes.bag import Condition, Reference, plain_bag
from remixer.attributes.values import Duration
from remixer.foundation.status import OK
from remixer.mixer.outcome import CheckOutcome
from remixer.tiers.answers import Answers
from remixer.tiers.places import Question
from remixer.tiers.settings import CacheSettings

USER = Reference("source.user", None, Condition.EXACT)
PATH = Reference("request.path", None, Condition.EXACT)
BAG = plain_bag({"source.user": "ann", "request.path": "/a"})
MINUTE = Duration(60_000_000_000)


def outcome(*references: Reference, uses: int = 100) -> CheckOutcome:
    return CheckOutcome(OK, MINUTE, uses, frozenset(references))


def asked(answers: Answers) -> Question:
    found = answers.find(BAG, "shop", None, now_s=0.0)
    assert isinstance(found, Question)
    return found


@pytest.fixture
def answers() -> Answers:
    return Answers(CacheSettings(jitter=0.0), random=Random(1))


def knows_shape_of(answers: Answers, *references: Reference, user: str = "bob") -> None:
    """Another's answer of this shape was learned before."""
    other = plain_bag({"source.user": user, "request.path": f"/{user}"})
    question = answers.find(other, "shop", None, now_s=0.0)
    assert isinstance(question, Question)
    answers.learn(other, outcome(*references), question, now_s=0.0)


def test_an_answer_is_found_by_the_key_it_was_looked_for_by(answers: Answers) -> None:
    knows_shape_of(answers, USER)
    question = asked(answers)
    slot = answers.learn(BAG, outcome(USER), question, now_s=0.0)
    assert answers.table.key_at(slot) == question.keys[0]
    assert answers.find(BAG, "shop", None, now_s=0.0) == slot


def test_a_question_asked_before_its_shape_was_known_is_learned_alike(answers: Answers) -> None:
    question = asked(answers)
    assert question.keys == ()
    slot = answers.learn(BAG, outcome(USER), question, now_s=0.0)
    assert answers.find(BAG, "shop", None, now_s=0.0) == slot


def test_keys_that_are_made_again_may_be_others(answers: Answers) -> None:
    knows_shape_of(answers, USER)
    question = asked(answers)
    knows_shape_of(answers, PATH, user="carol")
    again = replace(question, keys=answers.keys_of(BAG, question.place))
    assert len(again.keys) == len(question.keys) + 1
    slot = answers.learn(BAG, outcome(PATH), again, now_s=0.0)
    assert answers.find(BAG, "shop", None, now_s=0.0) == slot


def test_an_answer_ends_with_part_of_its_time_or_of_its_uses(answers: Answers) -> None:
    slot = answers.learn(BAG, outcome(USER), asked(answers), now_s=0.0)
    assert [answers.is_ending(slot, now_s=at) for at in (0.0, 47.0, 49.0)] == [False, False, True]
    for _ in range(50):
        answers.take(slot, now_s=1.0, keeps=False)
    assert not answers.is_ending(slot, now_s=1.0)
    answers.take(slot, now_s=1.0, keeps=False)
    assert answers.is_ending(slot, now_s=1.0)


@pytest.mark.parametrize(
    ("uses", "share"), [(4, 0), (5, 1), (8, 1), (9, 2), (101, 16), (1 << 22, 1 << 19)]
)
def test_a_share_is_a_power_of_two_and_a_quarter_at_most(
    answers: Answers, uses: int, share: int
) -> None:
    """Of what is left after the use itself."""
    slot = answers.learn(BAG, outcome(USER, uses=uses), asked(answers), now_s=0.0)
    assert answers.take(slot, now_s=0.0, keeps=True).valid_use_count == share
