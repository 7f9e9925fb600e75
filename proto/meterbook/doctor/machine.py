"""What the machine gives: an interpreter, room on a disk, files that can be read, and a clock that somebody keeps.

Nothing is written to find out: whether a folder takes files is asked of the kernel.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from meterbook.doctor.findings import Finding, failure, ok, warning
from meterbook.wire.software import software

PYTHON_MIN = (3, 11)
#: By how much two clocks may differ without a word, and from where on what is told lands in other hours, in seconds.
CLOCK_OK_S, CLOCK_BAD_S = 2.0, 60.0
_UNIT = 1024
#: What adjtimex(2) fills, and what it says of a clock that nobody keeps.
_TIMEX_BYTES, _TIME_ERROR = 512, 5


def versions() -> Iterator[Finding]:
    """Of Meterbook and of Python."""
    told = f"{software()} on Python {platform.python_version()}"
    if sys.version_info < PYTHON_MIN:
        yield failure("versions", told, f"use Python {'.'.join(map(str, PYTHON_MIN))} or newer")
    else:
        yield ok("versions", told)


def readable(check: str, name: str, path: Path, *, is_secret: bool = False) -> Iterator[Finding]:
    """Whether a file that the setting ``name`` names can be read, and a secret one by nobody else."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            file.read(1)
    except OSError as error:
        advice = f"put the file there, or let {_user()} read it"
        yield failure(check, f"{name} {path} cannot be read: {error.strerror or error}", advice)
        return
    if is_secret and mode & stat.S_IRWXO:
        yield warning(check, f"{name} {path} can be read by everybody on this machine", f"chmod o-rwx {path}")
    else:
        yield ok(check, f"{name} {path} can be read")


def writable(check: str, name: str, folder: Path) -> Iterator[Finding]:
    """Whether files can be made in a folder, which may have to be made itself."""
    there = nearest(folder)
    if not there.is_dir():
        yield failure(check, f"{name} {folder}: {there} is not a folder", "name another one")
    elif not os.access(there, os.W_OK | os.X_OK):
        yield failure(check, f"{name} {folder} takes no files of {_user()}", f"give {there} to {_user()}")
    else:
        yield ok(check, f"{name} {folder} takes files")


def room(name: str, folder: Path, wanted_bytes: int, what: str) -> Iterator[Finding]:
    """Whether a disk has room for what may come; ``what`` says what that is."""
    try:
        disk = os.statvfs(nearest(folder))
    except OSError as error:
        yield failure("disk", f"{name} {folder}: {error.strerror or error}", "name another folder")
        return
    free = disk.f_bavail * disk.f_frsize
    told = f"{size(free)} free for {name} {folder}, {what}"
    if free < wanted_bytes // 10:
        yield failure("disk", told, "make room there, or name a folder on a larger disk")
    elif free < wanted_bytes:
        yield warning("disk", told, "make room there, or name a folder on a larger disk, before it is needed")
    else:
        yield ok("disk", told)


def kept_clock() -> Iterator[Finding]:
    """Whether somebody keeps the clock of this machine right, as far as the kernel was told."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        state = -1
    if state == _TIME_ERROR:
        yield warning("clock", "nothing keeps the clock of this machine right", "run chrony, systemd-timesyncd or ntpd")
    elif state >= 0:
        yield ok("clock", "something keeps the clock of this machine right")


def clock_difference(ahead_s: float, whose: str) -> Finding:
    """By how much the clock here is ahead of another."""
    told = f"the clock here is {abs(ahead_s):.3f} s {'ahead of' if ahead_s >= 0 else 'behind'} {whose}"
    advice = "set both clocks by the same time servers (chrony, systemd-timesyncd, ntpd)"
    if abs(ahead_s) > CLOCK_BAD_S:
        return failure("clock", told, advice)
    return warning("clock", told, advice) if abs(ahead_s) > CLOCK_OK_S else ok("clock", told)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a file; False where there is none. Raises OSError where it cannot be opened.

    It is shared for a moment, which keeps nobody out who does not begin just then.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def nearest(path: Path) -> Path:
    """The path itself, or what there is of it."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def size(count: int) -> str:
    """Bytes for people: ``1.5 GiB``."""
    amount, names = float(count), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while amount >= _UNIT and len(names) > 1:
        amount, names = amount / _UNIT, names[1:]
    return f"{amount:.4g} {names[0]}"


def _user() -> str:
    return f"user {os.geteuid()}"
