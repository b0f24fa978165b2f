"""Files of a client's operator to a `ClientConfig`: all of it in force, or every fault told."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from remixer.foundation.documents.codes import UNREADABLE
from remixer.foundation.documents.yaml_documents import MAX_FILE_BYTES, read_documents
from remixer.foundation.errors import StartupError
from remixer.foundation.findings import hint_for
from remixer.foundation.problems import Location, Problem, Severity
from remixer.sidecar.client_config import codes
from remixer.sidecar.client_config.attribute_layers import LocalNode
from remixer.sidecar.client_config.bindings import Bindings, BoundSpec, Selector
from remixer.sidecar.client_config.documents import BindingDraft, Collected, SpecKey
from remixer.sidecar.client_config.services import ClientConfig, everything_checked

MAX_FILES: Final = 1_000
"""Of a directory; arbitrary, far above one workload's needs."""
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_SHOWN: Final = 20  # problems in the text of an error; all are in its list


class ClientConfigError(StartupError):
    """The configuration cannot be used. `problems` has every fault, warnings among them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems: Final = tuple(problems)
        self.errors: Final = tuple(each for each in problems if each.severity is Severity.ERROR)
        lines = [str(each) for each in self.errors[:_SHOWN]]
        if len(self.errors) > _SHOWN:
            lines.append(f"and {len(self.errors) - _SHOWN} more")
        super().__init__("\n".join(lines))


def load_client_config(path: Path | str, *, node: LocalNode | None = None) -> ClientConfig:
    """One file, or all `.yaml`, `.yml` and `.json` files of a directory in lexical order.

    Blocking. `node` is the workload that the client stands beside. Raises `ClientConfigError`.
    """
    files, problems = _read_all(Path(path))
    return client_config_of(files, node=node, problems=problems)


def client_config_of(
    files: Iterable[tuple[str, bytes]],
    *,
    node: LocalNode | None = None,
    problems: Iterable[Problem] = (),
) -> ClientConfig:
    """Of the contents of files, each with what problems call it. Raises `ClientConfigError`."""
    collected = Collected(list(problems))
    for name, content in files:
        documents = read_documents(content, name)
        collected.problems.extend(documents.problems)
        for root in documents.roots:
            collected.add(root)
    bindings = _bindings(collected)
    found = collected.problems
    if any(each.severity is Severity.ERROR for each in found):
        raise ClientConfigError(found)
    return ClientConfig(
        http=collected.http or everything_checked(),
        tcp=collected.tcp,
        bindings=bindings,
        node=node,
        warnings=tuple(found),
    )


def _read_all(path: Path) -> tuple[list[tuple[str, bytes]], list[Problem]]:
    try:
        paths = _files_of(path) if path.is_dir() else [path]
    except OSError as error:
        return [], [_unreadable(path, error)]
    files: list[tuple[str, bytes]] = []
    problems: list[Problem] = []
    for each in paths:
        try:
            with each.open("rb") as file:
                files.append((str(each), file.read(MAX_FILE_BYTES + 1)))
        except OSError as error:
            problems.append(_unreadable(each, error))
    if not paths:
        message = "the directory has no `.yaml`, `.yml` or `.json` file"
        problems.append(Problem(UNREADABLE, message, Location(str(path))))
    elif len(paths) > MAX_FILES:
        message = f"the directory has more than {MAX_FILES} files"
        return [], [Problem(UNREADABLE, message, Location(str(path)), hint="Join some of them.")]
    return files, problems


def _files_of(directory: Path) -> list[Path]:
    """A dot at the start hides a file: editors and Kubernetes put such beside the real ones."""
    names = (each for each in directory.iterdir() if not each.name.startswith("."))
    return sorted(each for each in names if each.suffix in _SUFFIXES)[: MAX_FILES + 1]


def _unreadable(path: Path, error: OSError) -> Problem:
    message = f"the file cannot be read: {error.strerror or error}"
    hint = "Check the path, and who may read it."
    return Problem(UNREADABLE, message, Location(str(path)), hint=hint)


def _bindings(collected: Collected) -> Bindings:
    """Bound specifications in order of the files; a fault for each that is missing or unused."""
    selectors: dict[SpecKey, list[Selector]] = {key: [] for key in collected.specs}
    used: set[SpecKey] = set()
    for binding in collected.bindings:
        used.update(_apply(binding, selectors))
    bound: list[BoundSpec] = []
    for key, draft in collected.specs.items():
        if key not in used:
            message = "no binding gives it to a service"
            draft.spot.warning(codes.WITHOUT_EFFECT, message, f"Add a {key.kind}Binding.")
        if draft.spec is not None:
            bound.append(BoundSpec(draft.spec, tuple(selectors[key])))
    return Bindings(bound)


def _apply(binding: BindingDraft, selectors: dict[SpecKey, list[Selector]]) -> Iterable[SpecKey]:
    for key, spot in binding.references:
        if key in selectors:
            selectors[key].extend(binding.selectors)
            yield key
            continue
        known = [each.name for each in selectors if each.kind == key.kind]
        message = f"there is no {key.kind} `{key.name}` in namespace `{key.namespace}`"
        spot.error(codes.NO_SUCH_SPEC, message, hint_for(key.name, known))
