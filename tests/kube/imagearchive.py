"""Images made of files on this machine, as archives that containerd imports: no registry, and no engine.

The form is that of ``docker save``, as the specification of images has it in "Combined Image JSON + Filesystem Changeset Format", version 1.2.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

PAUSE = "meterbook.test/load:1"


def of_program(program: Path, target: Path, name: str = PAUSE) -> Path:
    """An image that is one static program, which anybody may run and which needs nothing else."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        body = program.read_bytes()
        entry = tarfile.TarInfo("load")
        entry.mode, entry.size = 0o755, len(body)
        files.addfile(entry, io.BytesIO(body))
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": ["/load"], "User": "65532:65532"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        for path, body in (
            ("layer.tar", layer.getvalue()),
            (config_name, config),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(path)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return target
