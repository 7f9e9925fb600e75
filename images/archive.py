"""An image as one file, which Docker, Podman and containerd load: a root file system, and how it is run.

The form is that of ``docker save``, the "Combined Image JSON + Filesystem Changeset Format" of the Docker image specification, version 1.2.
The same files give the same bytes: times are one, names are sorted, and owners are root but for the folders named.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(
    rootfs: Path, target: Path, name: str, config: Mapping[str, Any], owned: Mapping[str, int] | None = None
) -> str:
    """Write ``target`` and give the image's digest. ``config`` is as in the specification; ``owned`` are paths that are not root's."""
    layer = target.with_name(f".{target.name}.layer")
    _write_layer(rootfs, layer, owned or {})
    digest = _digest(layer)
    document = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "meterbook"}],
    }
    described = json.dumps(document, sort_keys=True).encode()
    config_digest = hashlib.sha256(described).hexdigest()
    manifest = [{"Config": f"{config_digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        archive.add(layer, "layer.tar", filter=_plain)
        for path, body in ((f"{config_digest}.json", described), ("manifest.json", json.dumps(manifest).encode())):
            archive.addfile(_entry(path, len(body)), io.BytesIO(body))
    layer.unlink()
    return config_digest


def _write_layer(rootfs: Path, layer: Path, owned: Mapping[str, int]) -> None:
    with tarfile.open(layer, "w") as files:
        for path in sorted(rootfs.rglob("*")):
            name = path.relative_to(rootfs).as_posix()
            entry = _plain(files.gettarinfo(path, name))
            entry.uid = entry.gid = owned.get(name, 0)
            if entry.isreg():
                with path.open("rb") as body:
                    files.addfile(entry, body)
            else:
                files.addfile(entry)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    # Two names of one file are two files: not everything that reads a layer knows links.
    if entry.islnk():
        entry.type = tarfile.REGTYPE
    return entry


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
