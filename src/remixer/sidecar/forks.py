"""What an object does when its process forks."""

import os
import weakref
from collections.abc import Callable
from functools import partial

_Method = Callable[[], None]


def at_forks(*, before: _Method, in_parent: _Method, in_child: _Method) -> None:
    """Call these methods of an object, while it lives, at every fork of the process.

    It must not live as long as the process only because somebody may fork.
    """

    def call(method: "weakref.WeakMethod[_Method]") -> None:
        again = method()
        if again is not None:
            again()

    calls = (partial(call, weakref.WeakMethod(each)) for each in (before, in_parent, in_child))
    first, second, third = calls
    os.register_at_fork(before=first, after_in_parent=second, after_in_child=third)


def leave_alone(inherited: object) -> None:
    """Keep what a child has of its parent's, such as tasks, until the process ends.

    Taken apart, it would run its `finally` blocks and say that it was never finished.
    """
    os.register_at_fork(after_in_child=partial(_forget_nothing, inherited))


def _forget_nothing(inherited: object) -> None:
    """Called in children of this child, for which it is as true."""
