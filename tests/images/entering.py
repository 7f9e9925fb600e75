"""How tests enter an image that 'make images' built: as nobody, in a root file system that cannot be written, with no shell in it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from images.kinds import ENVIRONMENT, HOME, IMAGES, UID, Image

ROOT = Path(__file__).parents[2]
BUILT = Path(os.environ.get("METERBOOK_IMAGES", ROOT / "dist" / "images"))
#: What every test of a built image is marked with.
BUILT_IMAGES = [
    pytest.mark.images,
    pytest.mark.skipif(
        not all((BUILT / name / "usr").is_dir() for name in IMAGES), reason="there are no images: run 'make images'"
    ),
]
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root may enter a root file system, by unshare"
)
#: An image has this and what its own configuration says; PATH finds what enters it.
SURROUNDINGS = dict(ENVIRONMENT) | {"PATH": os.environ["PATH"]}


def entered(image: Image, *command: str, home: Path | None = None, networked: bool = False) -> list[str]:
    """The words that run a command in an image as its first process. ``home`` lies over what is theirs, as a volume would."""
    root = shlex.quote(str(BUILT / image.name))
    steps = [
        "set -e",
        f"mount --bind {root} {root}",
        f"mount -t tmpfs none {root}/tmp",
        f"mount -t proc none {root}/proc",
        f"mount --rbind /dev {root}/dev",
        *([f"mount --bind {shlex.quote(str(home))} {root}{HOME}"] if home else []),
        f"mount -o remount,bind,ro {root}",
        f"exec chroot --userspec={UID}:{UID} {root} {shlex.join(command)}",
    ]
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *([] if networked else ["--net"])]
    return [*words, "bash", "-c", "; ".join(steps)]


def inside(image: Image, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an image: no network, nothing to write but /tmp, and nobody's rights."""
    return subprocess.run(entered(image, *command), capture_output=True, text=True, env=SURROUNDINGS)
