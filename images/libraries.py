"""What comes as wheels: the locked dependencies, each by its hash, and Meterbook itself, built here from its sources.

pip is told for what it installs (CPython 3.11 on glibc 2.36), so any Python that builds gives the same. Nothing is compiled: a dependency
without a wheel is an error. What pip writes for itself, paths of this machine among it, does not stay.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from images.kinds import LIBRARIES, Image

ROOT = Path(__file__).parents[1]
_GLIBC_MINOR_MAX, _GLIBC_MINOR_MIN = 36, 5
_NOTES_OF_PIP = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
#: -s and -P: nothing is found in a home, nor beside the command.
_COMMAND = """#!/usr/bin/python3.11 -sP
from meterbook.command import run

run()
"""


def install(image: Image, rootfs: Path, work: Path) -> None:
    """Install what the image's lock says, and Meterbook with the packages that the image is for."""
    libraries = rootfs / LIBRARIES
    _pip(libraries, "--require-hashes", "-r", ROOT / image.lock)
    _pip(libraries, _wheel(work))
    shutil.rmtree(libraries / "bin")
    for notes in libraries.glob("*.dist-info"):
        for name in _NOTES_OF_PIP:
            (notes / name).unlink(missing_ok=True)
    for package in {"agent", "collector", "ledger"} - set(image.packages):
        shutil.rmtree(libraries / package)
    commands = rootfs / "usr/local/bin"
    commands.mkdir(parents=True, exist_ok=True)
    (commands / "meterbook").write_text(_COMMAND, encoding="utf-8")
    (commands / "meterbook").chmod(0o755)
    (commands / "python").symlink_to("/usr/bin/python3.11")


def _wheel(work: Path) -> Path:
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", work], cwd=ROOT, check=True)
    (made,) = work.glob("meterbook-*.whl")
    return made


def _pip(target: Path, *what: str | Path) -> None:
    machine = platform.machine()
    kinds = [
        option
        for minor in range(_GLIBC_MINOR_MAX, _GLIBC_MINOR_MIN - 1, -1)
        for option in ("--platform", f"manylinux_2_{minor}_{machine}")
    ]
    kinds += ["--platform", f"manylinux2014_{machine}", "--implementation", "cp", "--python-version", "3.11"]
    kinds += [option for abi in ("cp311", "abi3", "none") for option in ("--abi", abi)]
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
    command += ["--no-compile", "--no-deps", "--only-binary=:all:", "--upgrade", "--target", str(target), *kinds]
    # pip speaks of packages of this machine's Python, which do not matter here.
    subprocess.run([*command, *map(str, what)], check=True)
