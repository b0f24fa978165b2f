"""Who asks in `remixer lab sidecar`, what the rules say of them, and the requests. Pure."""

from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Final

from remixer.cli.scaffold.resources import Yaml, resource, yaml_text

NAMESPACE: Final = "lab"
USER_HEADER: Final = "x-user"
_OK: Final = 200
_FORBIDDEN: Final = 403
_GUEST: Final = "guest-"
_ONE_IN: Final = 5  # users is a guest, whom the list refuses
_TAIL: Final = 20_000  # users who ask now and then
_USES: Final = 10_000  # of a verdict; Mixer's own default
_LIFETIME: Final = "300s"  # likewise
_PLENTY: Final = 100_000_000  # requests a second: the quota is charged, and never the reason


def user_name(number: int) -> str:
    return f"{_GUEST if number % _ONE_IN == 0 else 'user-'}{number}"


def wanted_status(user: str) -> int:
    """Of a request of this user, whoever decides."""
    return _FORBIDDEN if user.startswith(_GUEST) else _OK


def everybody_once(keys: int) -> Iterator[str]:
    """Each user who asks often."""
    return map(user_name, range(keys))


def traffic(*, seed: int, keys: int, tail: float) -> Iterator[str]:
    """Users without end: `keys` of them evenly often, a part `tail` of the requests of others."""
    random = Random(seed)  # noqa: S311 - an experiment
    strangers = range(keys, keys + _TAIL)
    weights = list(accumulate(1 / rank for rank in range(1, _TAIL + 1)))
    while True:
        if random.random() < tail:
            (number,) = random.choices(strangers, cum_weights=weights)
        else:
            number = random.randrange(keys)
        yield user_name(number)


def configuration() -> str:
    """A list that every request's user is looked up in, and a quota that each is charged, as YAML."""
    return yaml_text(
        [
            _resource(
                "handler",
                "guests",
                {
                    "compiledAdapter": "listchecker",
                    "params": {
                        "overrides": [f"^{_GUEST}"],
                        "entryType": "REGEX",
                        "blacklist": True,
                        "cachingInterval": _LIFETIME,
                        "cachingUseCount": _USES,
                    },
                },
            ),
            _resource(
                "instance",
                "user",
                {
                    "compiledTemplate": "listentry",
                    "params": {"value": f'request.headers["{USER_HEADER}"] | "nobody"'},
                },
            ),
            _resource("rule", "list", {"actions": [_action("guests", "user")]}),
            _resource(
                "handler",
                "counters",
                {
                    "compiledAdapter": "memquota",
                    "params": {
                        "quotas": [
                            {
                                "name": f"requestcount.instance.{NAMESPACE}",
                                "maxAmount": _PLENTY,
                                "validDuration": "1s",
                            }
                        ]
                    },
                },
            ),
            _resource(
                "instance",
                "requestcount",
                {
                    "compiledTemplate": "quota",
                    "params": {"dimensions": {"namespace": "destination.namespace"}},
                },
            ),
            _resource("rule", "quota", {"actions": [_action("counters", "requestcount")]}),
        ]
    )


def _resource(kind: str, name: str, spec: dict[str, Yaml]) -> dict[str, Yaml]:
    return resource(kind, name, NAMESPACE, spec)


def _action(handler: str, instance: str) -> Yaml:
    return {"handler": handler, "instances": [instance]}
