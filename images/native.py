"""Native code: which library needs which, what nobody needs any more, and symbols that only a debugger would read.

An ELF file names the libraries that it needs (``DT_NEEDED``). From there follows what can go: a library that nothing left needs, and a
module of Python whose library is not there. It is read here in some sixty lines, so that nothing has to be installed for it.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NEEDED, _DT_STRTAB = 1, 5
_PAGE_BYTES = 4096
#: An extension of DuckDB ends with what DuckDB reads of it before it is loaded, behind all that the linker knows of.
_DUCKDB_TRAILER_BYTES = 534


def elves(folder: Path) -> Iterator[Path]:
    """Every native program or library in a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(len(_MAGIC)) == _MAGIC:
                    yield path


def needed(path: Path) -> frozenset[str]:
    """The names of the libraries that a file needs."""
    data = path.read_bytes()
    segments = _segments(data)
    entries = [
        struct.unpack_from("<qQ", data, place)
        for kind, _flags, offset, _address, _physical, length, *_ in segments
        if kind == _PT_DYNAMIC
        for place in range(offset, offset + length, 16)
    ]
    names = [value for tag, value in entries if tag == _DT_NEEDED]
    if not names:
        return frozenset()
    table = next(value for tag, value in entries if tag == _DT_STRTAB)
    place = next(s[2] + table - s[3] for s in segments if s[0] == _PT_LOAD and s[3] <= table < s[3] + s[5])
    return frozenset(data[place + name : data.index(b"\0", place + name)].decode() for name in names)


def drop_unneeded(rootfs: Path, libraries: Path) -> None:
    """Remove modules whose libraries are not there, and then the libraries beside modules that nothing needs."""
    there = {path.name for path in rootfs.rglob("*.so*")} | {path.name for path in rootfs.rglob("ld-linux*")}
    for path in rootfs.rglob("lib-dynload/*.so"):
        if needed(path) - there:
            path.unlink()
    while True:
        left = list(elves(rootfs))
        wanted = frozenset[str]().union(*map(needed, left))
        idle = [path for path in libraries.rglob("lib*.so*") if _is_library(path) and path.name not in wanted]
        if not idle:
            return
        for path in idle:
            path.unlink()


def strip(rootfs: Path) -> None:
    """Remove symbols and debugging information."""
    if shutil.which("strip") is None:
        raise SystemExit("There is no 'strip' here, and without it the images are too large: install binutils.")
    for path in elves(rootfs):
        trailer = path.read_bytes()[-_DUCKDB_TRAILER_BYTES:] if path.suffix == ".duckdb_extension" else b""
        stripped = path.with_name(f"{path.name}.stripped")
        subprocess.run(["strip", "--strip-unneeded", "-o", stripped, path], check=True)
        with stripped.open("ab") as file:
            file.write(trailer)
        # What a wheel's maker has patched may come out of it unloadable: it stays as it was.
        if _is_loadable(stripped):
            stripped.replace(path)
        else:
            stripped.unlink()


def _is_loadable(path: Path) -> bool:
    """Whether each part that is mapped into memory lies in the file as it must lie in memory: at the same place of a page."""
    data = path.read_bytes()
    return all(
        (offset - address) % _PAGE_BYTES == 0
        for kind, _flags, offset, address, *_ in _segments(data)
        if kind == _PT_LOAD
    )


def _segments(data: bytes) -> list[tuple[int, ...]]:
    """The program headers, as "ELF-64 Object File Format" has them: type, flags, offset, address, physical address, sizes, alignment."""
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return [struct.unpack_from("<II6Q", data, start + number * size) for number in range(count)]


def _is_library(path: Path) -> bool:
    """Whether it is a library for others, and no module that Python imports."""
    return ".cpython-" not in path.name and ".abi3." not in path.name
