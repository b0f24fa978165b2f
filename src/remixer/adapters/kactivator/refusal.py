"""What a client reads whose request was not held to a good end: a 503 that says why."""

import math
import re
from typing import Final

from remixer.adapters.kactivator.readiness import Revision
from remixer.adapters.kactivator.waiting import Held
from remixer.sdk import CheckResult, Code, DirectHttpResponse, Status

CAUSE_HEADER: Final = "x-remixer-cause"
_HTTP_STATUS: Final = 503
_REASONS: Final = {
    Held.NOT_READY: "had no ready endpoint in time",
    Held.ROOM_FULL: "is not awake, and too many requests wait already",
    Held.REVISION_FULL: "is not awake, and too many requests wait for it already",
    Held.BYTES_FULL: "is not awake, and the requests that wait are too large together",
    Held.TOO_MANY_REVISIONS: "is not awake, and too many others are waited for already",
    Held.CLOSING: "is not awake, and who waited for it is shutting down",
}
# Names come from requests: what is not of a name does not go into answers and logs.
_NOT_OF_A_NAME: Final = re.compile(r"[^A-Za-z0-9._/-]")  # noqa: TID251 - ours, one set
_LONGEST_NAME: Final = 128  # two DNS labels and a slash


def refusal(held: Held, revision: Revision, *, retry_after_s: float) -> CheckResult:
    """UNAVAILABLE, for any end but `READY`. Never remembered: the next request may fare better."""
    name = _NOT_OF_A_NAME.sub("?", str(revision)[:_LONGEST_NAME])
    message = f"{name} {_REASONS[held]}"
    seconds = max(1, math.ceil(retry_after_s))  # the header has whole seconds
    return CheckResult(
        Status(Code.UNAVAILABLE, message),
        direct_response=DirectHttpResponse(
            code=_HTTP_STATUS,
            body=f"{message}; try again in {seconds} s\n",
            headers={
                "retry-after": str(seconds),
                "content-type": "text/plain; charset=utf-8",
                CAUSE_HEADER: held.value,
            },
        ),
    )
