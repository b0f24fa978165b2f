"""What a change of one file touches, in counts."""

from dataclasses import dataclass, field

import pytest

from remixer.config.memory import ResolveMemory
from remixer.config.resolve import resolve
from remixer.config.resources import ParsedFile, combine, parse_file
from remixer.config.snapshot import Snapshot
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.scripted import Journal, scripted_adapters
from remixer.testing.texts import VOCABULARY, action, handler, instance, rule

SPACES = tuple(f"n{number}" for number in range(20))
RULES = 10


@dataclass(slots=True)
class Config:
    """Files that change one at a time, as a store has them."""

    memory: ResolveMemory = field(default_factory=ResolveMemory)
    files: dict[str, ParsedFile] = field(default_factory=dict)
    adapters: dict[str, object] = field(
        default_factory=lambda: {info.name: info for info in scripted_adapters(Journal())}
    )
    templates: dict[str, object] = field(
        default_factory=lambda: {each.name: each for each in BUILTIN_TEMPLATES}
    )

    def write(self, name: str, text: str) -> None:
        self.files[name] = parse_file(text.encode(), name)

    def resolve(self) -> tuple[Snapshot, int, int]:
        """The snapshot, and how much was read and compiled for it."""
        reads, compilations = self.memory.reads, self.memory.expressions.compilations
        snapshot = resolve(
            combine(self.files.values()),
            adapters=self.adapters,  # type: ignore[arg-type] # as made above
            templates=self.templates,  # type: ignore[arg-type] # as made above
            memory=self.memory,
        )
        assert snapshot.problems == ()
        memory = self.memory
        return snapshot, memory.reads - reads, memory.expressions.compilations - compilations


def space(name: str, *, last: str = "") -> str:
    text = handler("h", namespace=name) + instance(
        "who", "listentry", "value: user", namespace=name
    )
    for number in range(RULES):
        value = last if last and number == RULES - 1 else f"{name}-{number}"
        text += rule(f"r{number}", action("h", "who"), match=f'user == "{value}"', namespace=name)
    return text


@pytest.fixture
def config() -> Config:
    config = Config()
    config.write("vocabulary", VOCABULARY)
    for name in SPACES:
        config.write(name, space(name))
    return config


def test_the_first_run_reads_everything_and_compiles_each_text_once(config: Config) -> None:
    _, reads, compilations = config.resolve()
    # Handler, instance, handler with its instances; each rule, and with its handler.
    assert reads == len(SPACES) * (3 + 2 * RULES)
    assert compilations == len(SPACES) * RULES + 1


def test_nothing_changed_makes_nothing_anew(config: Config) -> None:
    before, *_ = config.resolve()
    after, reads, compilations = config.resolve()
    assert (reads, compilations) == (0, 0)
    assert all(new is old for new, old in zip(after.rules, before.rules, strict=True))


def test_one_changed_file_touches_only_what_is_in_it(config: Config) -> None:
    before, *_ = config.resolve()
    config.write("n7", space("n7", last="other"))
    after, reads, compilations = config.resolve()
    assert (reads, compilations) == (3 + 2 * RULES, 1)
    changed = [
        new.name for new, old in zip(after.rules, before.rules, strict=True) if new is not old
    ]
    assert len(changed) == RULES
    assert all(name.endswith(".n7") for name in changed)


def test_a_shared_instance_that_changes_touches_its_users(config: Config) -> None:
    config.write("shared", instance("all", "listentry", "value: user", namespace="shared"))
    using = handler("h", namespace="user") + rule("r", action("h", "all.shared"), namespace="user")
    config.write("user", using)
    config.resolve()
    config.write("shared", instance("all", "listentry", 'value: user + "x"', namespace="shared"))
    after, reads, compilations = config.resolve()
    # The instance; the rule, its handler's instances, the rule with that handler.
    assert (reads, compilations) == (4, 1)
    (used,) = [each for each in after.rules if each.namespace == "user"]
    assert used.actions[0].instances[0].location.file == "shared"


def test_a_new_attribute_compiles_nothing_again(config: Config) -> None:
    config.resolve()
    config.write("more", VOCABULARY.replace("name: words", "name: more").replace("size", "length"))
    _, reads, compilations = config.resolve()
    assert reads > 0
    assert compilations == 0


def test_what_is_not_used_any_more_is_forgotten(config: Config) -> None:
    config.resolve()
    config.write("n7", "")
    config.resolve()
    config.resolve()
    config.write("n7", space("n7"))
    _, _, compilations = config.resolve()
    assert compilations == RULES
