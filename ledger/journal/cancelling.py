"""Questions that can be stopped: nobody computes what nobody waits for any more.

Whoever asks runs the question under a ``Cancellation``, and may cancel that from another thread. A statement that DuckDB executes just
then is interrupted; between statements, and in loops over many rows, the question looks for itself. It finds its cancellation by a
context variable, so that it need not be handed through everything that answers; what runs under none is never stopped.

DuckDB forgets an interrupt that comes right before a statement begins. So whoever cancels does so again until the question is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Answer = TypeVar("Answer")
Row = TypeVar("Row")

#: Rows of a loop from one look to the next.
_ROWS = 4_096
_NOBODY = "nobody waits for the answer any more"

_current: ContextVar[Cancellation | None] = ContextVar("cancellation", default=None)


class Cancelled(Exception):
    """Nobody waits for the answer any more."""


class Cancellation:
    """Whether one question is to go on; it is cancelled from any thread."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        # Of each statement that is being executed now: a question may read ahead in a thread of its own.
        self._interrupts: dict[object, Callable[[], None]] = {}
        self._is_cancelled = False

    def run(self, function: Callable[..., Answer], *arguments: object) -> Answer:
        """What the function gives, in this thread. Raises Cancelled where it was cancelled first."""
        before = _current.set(self)
        try:
            self.check()
            return function(*arguments)
        except Cancelled:
            pass
        finally:
            _current.reset(before)
        # Anew, since the other one keeps alive what the question held: a snapshot, rows.
        raise Cancelled(_NOBODY)

    def cancel(self) -> None:
        """Stop the question, and interrupt what it has executed just now; may be called again and again."""
        with self._changing:
            self._is_cancelled = True
            for interrupt in self._interrupts.values():
                interrupt()

    def check(self) -> None:
        """Raises Cancelled once it is cancelled."""
        if self._is_cancelled:
            raise Cancelled(_NOBODY)

    @contextmanager
    def executing(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While a statement is executed, which ``interrupt`` ends. Raises Cancelled where that is why it failed."""
        statement = object()
        with self._changing:
            self._interrupts[statement] = interrupt
        try:
            self.check()
            yield
        except Exception:
            self.check()
            raise
        finally:
            # Behind the lock nobody interrupts any more: the connection may be closed now, or do something else.
            with self._changing:
                del self._interrupts[statement]


def check() -> None:
    """Raises Cancelled where the question that runs here is to be stopped."""
    if (current := _current.get()) is not None:
        current.check()


@contextmanager
def interruptible(interrupt: Callable[[], None]) -> Iterator[None]:
    """While a statement is executed for the question that runs here; see ``Cancellation.executing``."""
    if (current := _current.get()) is None:
        yield
        return
    with current.executing(interrupt):
        yield


def checked(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, as long as the question that runs here goes on. Raises Cancelled."""
    for number, row in enumerate(rows):
        if number % _ROWS == 0:
            check()
        yield row
