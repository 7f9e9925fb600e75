"""Builds an image as a root file system: the same steps inside a Dockerfile and on a machine without a container engine.

    python -m images.build agent dist/images/agent dist/images/meterbook-agent.tar

Debian's packages, wheels by their hashes, less what is not needed, compiled to bytecode; then who it runs as, and the one folder that is
theirs. Needs Python 3.11, whose bytecode it is, and the packages of ``images/tools.lock``.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from images import archive, debian, libraries, native, sbom, trimming
from images.kinds import ENVIRONMENT, HOME, IMAGES, LIBRARIES, UID, Image

_ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\nmeterbook:x:{UID}:{UID}:Meterbook:{HOME}:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nmeterbook:x:{UID}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
#: Our packages.
_OWN = ("agent", "collector", "ledger", "meterbook")


def build(image: Image, rootfs: Path) -> None:
    """Make the root file system of an image, in place of what is there. Raises SystemExit with what to do where this machine cannot."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(
            f"The images hold bytecode of Python 3.11, and this is {sys.version.split()[0]}: use python3.11."
        )
    shutil.rmtree(rootfs, ignore_errors=True)
    rootfs.mkdir(parents=True)
    for link in ("bin", "lib", "lib64"):
        (rootfs / "usr" / link).mkdir(parents=True)
        (rootfs / link).symlink_to(f"usr/{link}")
    with tempfile.TemporaryDirectory() as work:
        debian.unpack(rootfs, Path(work) / "packages")
        libraries.install(image, rootfs, Path(work) / "wheel")
    trimming.trim(rootfs)
    native.drop_unneeded(rootfs, rootfs / LIBRARIES)
    native.strip(rootfs)
    _compile(rootfs)
    _settle(rootfs)


def _compile(rootfs: Path) -> None:
    """Bytecode that is never looked at twice: the image does not change, and nobody may write beside it."""
    for folder in ("usr/lib/python3.11", LIBRARIES):
        done = compileall.compile_dir(
            rootfs / folder,
            stripdir=str(rootfs),
            prependdir="/",
            quiet=2,
            workers=os.cpu_count(),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        if not done:
            raise SystemExit(f"{folder}: not every module could be compiled")
    _drop_sources(rootfs)


def _drop_sources(rootfs: Path) -> None:
    """Of libraries the bytecode alone: half as large. Meterbook's own sources stay, so that a traceback shows them."""
    own = [rootfs / LIBRARIES / name for name in _OWN]
    for path in [*(rootfs / "usr/lib/python3.11").rglob("*.py"), *(rootfs / LIBRARIES).rglob("*.py")]:
        compiled = path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc"
        if compiled.is_file() and not any(path.is_relative_to(folder) for folder in own):
            compiled.replace(path.with_suffix(".pyc"))
            path.unlink()
            if not any(compiled.parent.iterdir()):
                compiled.parent.rmdir()


def _settle(rootfs: Path) -> None:
    """Who there is, what is theirs, and who may read what."""
    for name, text in _ACCOUNTS.items():
        (rootfs / name).write_text(text, encoding="utf-8")
    for path in rootfs.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    for name, mode in (("tmp", 0o1777), (HOME.lstrip("/"), 0o700), ("proc", 0o555), ("sys", 0o555), ("dev", 0o755)):
        folder = rootfs / name
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)
    if os.geteuid() == 0:
        for path in (rootfs, *rootfs.rglob("*")):
            os.chown(path, 0, 0, follow_symlinks=False)
        os.chown(rootfs / HOME.lstrip("/"), UID, UID)


def size_bytes(rootfs: Path) -> int:
    """What the files take, before compression."""
    return sum(path.stat().st_size for path in rootfs.rglob("*") if path.is_file() and not path.is_symlink())


def release() -> str:
    """The version of Meterbook, from its sources: where images are built, it is not installed."""
    project = tomllib.loads((libraries.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def pack(image: Image, rootfs: Path, target: Path) -> str:
    """Write the image as one file, and give its digest."""
    config = {
        "Entrypoint": ["meterbook"],
        "Cmd": ["--help"],
        "User": f"{UID}:{UID}",
        "WorkingDir": HOME,
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "Labels": image.labels(release()),
    }
    return archive.write(rootfs, target, f"{image.repository}:{release()}", config, {HOME.lstrip("/"): UID})


def main() -> None:
    """Build an image into a folder, and if a third argument says so write its archive, with the bill of materials beside it."""
    image, rootfs = IMAGES[sys.argv[1]], Path(sys.argv[2])
    build(image, rootfs)
    print(f"{rootfs}: {image.title} {release()}, {size_bytes(rootfs) / 1e6:.0f} MB of files")
    if len(sys.argv) > 3:
        target = Path(sys.argv[3])
        digest = pack(image, rootfs, target)
        print(f"{target}: sha256:{digest}")
        bill = target.with_name(f"{image.repository}.cdx.json")
        sbom.write(image, rootfs, release(), digest, bill)
        print(bill)


if __name__ == "__main__":
    main()
