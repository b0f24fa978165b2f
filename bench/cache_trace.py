"""Writes a recording of checks that nobody made, for `remixer cache advise` and its page.

    python bench/cache_trace.py FILE

150,000 checks in 750 s of 3,000 users who ask for ten pages; few users ask much (Zipf, 0.9).
The same each time.
"""

import sys
from itertools import accumulate
from pathlib import Path
from random import Random

from remixer.attributes.bag import Condition, Reference
from remixer.tiers.trace import TraceWriter

CHECKS = 150_000
KEYS = 30_000
USERS = 3_000
PER_SECOND = 200
LIFE_S = 300.0
REFERENCES = frozenset(
    Reference(name, None, Condition.EXACT) for name in ("request.path", "source.user")
)


def write(file: Path) -> None:
    writer = TraceWriter(secret=b"the same each time", recording=b"benchmrk", segment_bytes=1 << 30)
    random = Random(3)  # noqa: S311 - the same each time, guards nothing
    weights = list(accumulate(1 / rank**0.9 for rank in range(1, KEYS + 1)))
    known: dict[int, float] = {}
    with file.open("wb") as stream:
        for number, key in enumerate(random.choices(range(KEYS), cum_weights=weights, k=CHECKS)):
            at_s = number / PER_SECOND
            is_hit = at_s < known.get(key, 0.0)
            if not is_hit:
                known[key] = at_s + LIFE_S
            values = {"source.user": f"u{key % USERS}", "request.path": f"/{key // USERS}"}
            stream.write(
                writer.check("shop", REFERENCES, values, is_hit=is_hit, at_s=at_s, life_s=LIFE_S)[1]
            )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
