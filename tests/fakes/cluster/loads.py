"""What a process uses at every instant: rates that are constant between steps, in whole numbers.

CPU is counted in millicores, because a millicore over a microsecond is exactly a nanosecond of one core, the unit of
``usageCoreNanoSeconds``. Everything else is bytes, or bytes a second. All integrals are whole numbers, so nothing is
ever rounded before it is served.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Profile:
    """``steps``: (offset in microseconds, rate from there on); the first offset is 0, the last rate stays for ever."""

    steps: tuple[tuple[int, int], ...] = ((0, 0),)
    _offsets: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _rates: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _sums: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        offsets = tuple(offset for offset, _ in self.steps)
        rates = tuple(rate for _, rate in self.steps)
        if not offsets or offsets[0] != 0 or sorted(set(offsets)) != list(offsets) or min(rates) < 0:
            raise ValueError(f"the steps of a profile begin at 0 and climb, and no rate is negative: {self.steps}")
        areas = (rate * (end - begin) for rate, begin, end in zip(rates, offsets, offsets[1:], strict=False))
        object.__setattr__(self, "_offsets", offsets)
        object.__setattr__(self, "_rates", rates)
        object.__setattr__(self, "_sums", (0, *accumulate(areas)))

    def at(self, offset_us: int) -> int:
        """The rate at an instant."""
        return self._rates[bisect_right(self._offsets, offset_us) - 1]

    def integral(self, offset_us: int) -> int:
        """Rate times microseconds, from 0 to an instant: what a counter counted by then."""
        if len(self._rates) == 1:
            return self._rates[0] * offset_us
        step = bisect_right(self._offsets, offset_us) - 1
        return self._sums[step] + self._rates[step] * (offset_us - self._offsets[step])


NOTHING = Profile()


def steady(rate: int) -> Profile:
    """One rate for ever."""
    return Profile(((0, rate),)) if rate else NOTHING


@dataclass(frozen=True)
class Load:
    """What the processes of one container, or of a pod's sandbox, use."""

    cpu_millicores: Profile = NOTHING
    memory_bytes: Profile = NOTHING
    read_bytes_s: Profile = NOTHING
    write_bytes_s: Profile = NOTHING
    disk_bytes: Profile = NOTHING


def steady_load(
    cpu_millicores: int = 0, memory_bytes: int = 0, read_bytes_s: int = 0, write_bytes_s: int = 0, disk_bytes: int = 0
) -> Load:
    """The same use for ever."""
    rates = (cpu_millicores, memory_bytes, read_bytes_s, write_bytes_s, disk_bytes)
    return Load(*(steady(rate) for rate in rates))


@dataclass(frozen=True)
class Traffic:
    """What passes a pod's interface, as bytes a second."""

    receive_bytes_s: Profile = NOTHING
    transmit_bytes_s: Profile = NOTHING


@dataclass(frozen=True)
class Resources:
    """What a container asks for, or may use at most; None is not said."""

    cpu_millicores: int | None = None
    memory_bytes: int | None = None
    ephemeral_bytes: int | None = None
    gpus: int | None = None


class Timeline(Generic[T]):
    """A value that changes at known instants."""

    def __init__(self, first: T) -> None:
        self.changes: list[tuple[int, T]] = [(-(1 << 62), first)]

    def set(self, at_us: int, value: T) -> None:
        """Another value from an instant on; ValueError if a later one stands already."""
        if at_us < self.changes[-1][0]:
            raise ValueError(f"a change at {self.changes[-1][0]} us is already written, and {at_us} us is before it")
        self.changes.append((at_us, value))

    def at(self, at_us: int) -> T:
        if len(self.changes) == 1:
            return self.changes[0][1]
        return self.changes[bisect_right(self.changes, at_us, key=lambda change: change[0]) - 1][1]

    def edges(self) -> list[int]:
        """When it changes."""
        return [at_us for at_us, _ in self.changes[1:]]
