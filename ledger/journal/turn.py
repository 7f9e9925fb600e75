"""Whose turn it is to fill the tables, where several processes could."""

from __future__ import annotations

from typing import Protocol


class Turn(Protocol):
    """One process has it at a time, as a rule: what makes sure is the watermark's compare-and-set."""

    def is_mine(self) -> bool:
        """Whether it is this process's turn. Raises LogUnavailable where that cannot be told."""
        ...

    def pass_on(self) -> None:
        """Let another process have it. Safe to call twice."""
        ...


class AlwaysMine:
    """The turn of a process that has the store for itself."""

    def is_mine(self) -> bool:
        """It always is."""
        return True

    def pass_on(self) -> None:
        """There is nobody else."""
