"""Where a server may come from is tried in order; when nothing works, one sentence names every reason and every way out."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

Found = TypeVar("Found")


class NoServerError(Exception):
    """There is no server to test against; the message says what was tried and what to install."""


class UnavailableError(Exception):
    """One way to a server is not open here; the message is a clause such as "'mvn' is not on the PATH"."""


def first(ways: Sequence[Callable[[ExitStack], Found]], stack: ExitStack, *, missing: str, remedy: str) -> Found:
    """The first server that one of the ways gives, to be ended with the stack.

    A way that fails half-way is undone before the next is tried. `NoServerError` when all are closed.
    """
    reasons = []
    for way in ways:
        with ExitStack() as attempt:
            try:
                found = way(attempt)
            except UnavailableError as why:
                reasons.append(str(why))
            else:
                stack.push(attempt.pop_all())
                return found
    raise NoServerError(f"{missing}: {'; '.join(reasons)}. {remedy}")
