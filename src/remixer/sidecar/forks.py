"""What an object does when its process forks."""

import os
import weakref
from collections.abc import Callable
from functools import partial

_Method = Callable[[], None]


def at_forks(
    *, in_child: _Method, before: _Method | None = None, in_parent: _Method | None = None
) -> None:
    """Call these methods of an object, while it lives, at every fork of the process.

    It must not live as long as the process only because somebody may fork.
    """
    os.register_at_fork(after_in_child=_while_it_lives(in_child))
    if before is not None:
        os.register_at_fork(before=_while_it_lives(before))
    if in_parent is not None:
        os.register_at_fork(after_in_parent=_while_it_lives(in_parent))


def _while_it_lives(method: _Method) -> _Method:
    again: weakref.WeakMethod[_Method] = weakref.WeakMethod(method)

    def call() -> None:
        living = again()
        if living is not None:
            living()

    return call


def leave_alone(inherited: object) -> None:
    """Keep what a child has of its parent's, such as tasks, until the process ends.

    Taken apart, it would run its `finally` blocks and say that it was never finished.
    """
    os.register_at_fork(after_in_child=partial(_forget_nothing, inherited))


def _forget_nothing(inherited: object) -> None:
    """Called in children of this child, for which it is as true."""
