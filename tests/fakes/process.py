"""A process that calls services over a network, and may be killed amid any call.

What becomes of a call is decided by an oracle (see ``tests.fakes.disk``):

``well``     it is done and answered
``fail``     it never arrives
``late``     it is done, and the answer is lost
``delayed``  it is still on its way when the caller gives up; it is done later, or never
``error``    the service answers that it cannot
``crash``    the process ends before the call
``done``     the process ends after it was done
"""

from __future__ import annotations

from typing import NoReturn

from tests.fakes.disk import Oracle, PowerLoss

TROUBLE = ("fail", "late", "delayed", "error", "crash", "done")


class Process:
    """Makes calls until it is killed; whatever it does afterwards raises PowerLoss, as nothing is there to do it."""

    def __init__(self, name: str, oracle: Oracle) -> None:
        self.name, self.oracle = name, oracle
        self.is_dead = False

    def fate(self, call: str, what: str) -> str:
        """What is to become of a call. Raises PowerLoss."""
        self.check_alive()
        chosen = self.oracle.fate(f"{self.name}: {call}", what)
        if chosen == "crash":
            self.die()
        return chosen

    def check_alive(self) -> None:
        if self.is_dead:
            raise PowerLoss

    def die(self) -> NoReturn:
        self.is_dead = True
        raise PowerLoss
