"""Which files are meant: those that are named, and in a folder all that a bill can be in."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from agent.importing.errors import ImportFault

#: What files of a folder are called that are read; others, such as manifests, are not.
_ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".parquet")


def files(paths: Iterable[Path]) -> list[Path]:
    """The files, each once, those of a folder by name. Raises ImportFault for what is not there or holds none."""
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            inside = [each for each in _below(path) if _is_read(each)]
            if not inside:
                raise ImportFault(f"{path}: the folder holds no file that ends in {', '.join(_ENDINGS)}")
        elif path.is_file():
            inside = [path]
        else:
            raise ImportFault(f"{path}: there is no such file or folder")
        for each in inside:
            found.setdefault(os.path.realpath(each), each)
    return list(found.values())


def left_out(paths: Iterable[Path]) -> list[Path]:
    """Files of the folders that are not read because of what they are called; hidden ones are nobody's concern."""
    return [each for path in paths if path.is_dir() for each in _below(path) if not _is_read(each)]


def _is_read(path: Path) -> bool:
    return path.name.lower().endswith(_ENDINGS)


def _below(folder: Path) -> list[Path]:
    hidden = set(folder.rglob(".*"))
    return sorted(
        each for each in folder.rglob("*") if each.is_file() and not hidden.intersection((each, *each.parents))
    )
