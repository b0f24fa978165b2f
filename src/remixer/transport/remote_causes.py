"""Why a connection to a back end failed, in the operator's words instead of the library's. Pure.

grpcio tells causes in one text made for its own developers. What is not known here stays as it is.
"""

from typing import Final

_BAD_CERTIFICATE: Final = "CERTIFICATE_VERIFY_FAILED: "
_ENDS: Final = (": OK", ")", ";", ",")
_KNOWN: Final = (
    (
        "Hostname Verification Check failed",
        "its certificate is for another name; `server_name` says which one to expect",
    ),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS"),
    ("Connection refused", "nobody listens there (connection refused)"),
)


def plain_cause(details: str) -> str | None:
    """The cause that the library's `details` of an UNAVAILABLE tell; None if none is known."""
    _, mark, rest = details.partition(_BAD_CERTIFICATE)
    if mark:
        for end in _ENDS:
            rest = rest.partition(end)[0]
        reason = rest.strip() or "no reason given"
        return f"its certificate is not trusted ({reason}); see `ca_certificates`"
    return next((plain for part, plain in _KNOWN if part in details), None)
