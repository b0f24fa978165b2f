"""Sessions: handlers that a Mixer opened by name, before the first call.

Equal configurations share a session and its id; a count of those who opened it decides when it
ends. The id is made from the configuration, so that every process of one adapter gives the same
one. Where the id travels in a call the original never said: here it is the answer of
CreateSession, packed into `adapter_config`. A call without either belongs to the session opened
last, which is what Mixer's own bypass adapter needs; without any session it gets the adapter's
defaults, which is what Mixer 1.3 did to adapters with `session_based`.

Source: `InfrastructureBackend` of Mixer 1.3.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from remixer.foundation.errors import PolicyError
from remixer.foundation.status import Code
from remixer.frontends.adapter_model.handlers import Build, Entry, HandlerKey, HandlerStore

MAX_SESSIONS: Final = 1_000
"""With different configurations. A Mixer has one per handler resource."""
_ID_LENGTH: Final = 32


class UnknownSessionError(PolicyError):
    """No session has this id: it was closed, or the adapter was started anew."""

    code = Code.NOT_FOUND


class TooManySessionsError(PolicyError):
    """Somebody opens sessions and does not close them."""

    code = Code.RESOURCE_EXHAUSTED


@dataclass(slots=True)
class _Session:
    """One open session."""

    entry: Entry
    openers: int = 1


class SessionTable:
    """Open sessions by id, in the order of opening."""

    def __init__(self, store: HandlerStore, *, max_sessions: int = MAX_SESSIONS) -> None:
        self._store = store
        self._max_sessions = max_sessions
        self._sessions: dict[str, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    async def open(self, key: HandlerKey, build: Build) -> str:
        """Id of the session. Raises `TooManySessionsError`, or what its building ends with."""
        session_id = _id_of(key)
        if session_id not in self._sessions and len(self._sessions) >= self._max_sessions:
            message = f"{len(self._sessions)} sessions are open; close some of them"
            raise TooManySessionsError(message)
        entry = await self._store.get(key, build)
        try:
            session = self._sessions.pop(session_id, None)
            if session is None:
                self._store.hold(entry)
                session = _Session(entry, openers=0)
            session.openers += 1
            self._sessions[session_id] = session  # at the end: opened last
        finally:
            self._store.leave(entry)
        return session_id

    def close(self, session_id: str) -> None:
        """One opener less; the last one ends it. Raises `UnknownSessionError`."""
        session = self._found(session_id)
        session.openers -= 1
        if not session.openers:
            del self._sessions[session_id]
            self._store.release(session.entry)

    def entry_of(self, session_id: str) -> Entry:
        """Raises `UnknownSessionError`."""
        return self._found(session_id).entry

    def newest(self) -> Entry | None:
        """Of the session opened last; None without sessions."""
        for session in reversed(self._sessions.values()):
            return session.entry
        return None

    def _found(self, session_id: str) -> _Session:
        session = self._sessions.get(session_id)
        if session is None:
            message = f"there is no session `{session_id[:_ID_LENGTH]}`; create it again"
            raise UnknownSessionError(message)
        return session


def _id_of(key: HandlerKey) -> str:
    digest = sha256()
    for part in (key.form.encode(), key.params, key.types):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:_ID_LENGTH]
