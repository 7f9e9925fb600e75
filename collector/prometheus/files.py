"""Targets in files that other programs write: lists of groups in JSON or YAML, read again when they change.

Each group has addresses under ``targets`` and, perhaps, ``labels`` ("Configuration", section ``<file_sd_config>``). A file that
cannot be understood just now (it is being written) leaves its targets as they were; one that is gone takes its targets with it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from collector.prometheus.jobs import Job
from collector.prometheus.targets import Target
from collector.readonly import open_file

#: A list of targets larger than this is none.
_FILE_BYTES_MAX = 32 << 20

_log = logging.getLogger(__name__)


class TargetFiles:
    """The targets of all files that some patterns name."""

    def __init__(self, patterns: Sequence[str], job: Job) -> None:
        self._patterns = [Path(pattern) for pattern in patterns]
        self._job = job
        self._files: dict[str, tuple[tuple[int, int], list[Target]]] = {}
        self._told: dict[str, str] = {}

    def update(self) -> bool:
        """Look at the files; whether anything is another than before."""
        names = sorted({str(name) for pattern in self._patterns for name in pattern.parent.glob(pattern.name)})
        before, self._files = self._files, {name: self._files[name] for name in names if name in self._files}
        changed = before.keys() != self._files.keys()
        for name in names:
            try:
                about = Path(name).stat()
                version = (about.st_mtime_ns, about.st_size)
                if self._files.get(name, ((0, 0), []))[0] != version:
                    found = [self._job.written(text, labels) for text, labels in _groups(name)]
                    self._files[name] = (version, [target for target in found if target is not None])
                    self._told.pop(name, None)
                    changed = True
            except (OSError, ValueError) as error:
                # Said once, and not every few seconds.
                if self._told.get(name) != str(error):
                    self._told[name] = str(error)
                    _log.warning("%s names no targets, those it named before stay: %s", name, error)
        return changed

    def targets(self) -> list[Target]:
        """The targets as of the last look, file by file."""
        return [target for _, targets in self._files.values() for target in targets]


def _groups(name: str) -> list[tuple[str, dict[str, str]]]:
    """Addresses with their labels. Raises OSError, and ValueError for what is no list of groups."""
    with open_file(name) as file:
        body = file.read(_FILE_BYTES_MAX + 1)
    if len(body) > _FILE_BYTES_MAX:
        raise ValueError(f"it has more than {_FILE_BYTES_MAX} bytes")
    try:
        document: Any = yaml.safe_load(body)  # of which JSON is a part
    except (yaml.YAMLError, RecursionError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"it is neither JSON nor YAML ({' '.join(str(error).split())[:200]})") from None
    if not isinstance(document, list):
        raise ValueError("it is no list of groups")
    found: list[tuple[str, dict[str, str]]] = []
    for place, group in enumerate(document):
        targets = group.get("targets") if isinstance(group, dict) else None
        labels = (group.get("labels") or {}) if isinstance(group, dict) else None
        if not isinstance(targets, list) or not isinstance(labels, dict) or group.keys() - {"targets", "labels"}:
            raise ValueError(f"group {place} has not the keys targets and labels")
        marks = {str(key): str(text) for key, text in labels.items()}
        found += [(str(target), marks) for target in targets]
    return found
