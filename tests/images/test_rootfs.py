"""What 'make images' built: what is in it, how large it is, and that it runs as root file system, read-only, without network and as nobody."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from images.build import size_bytes
from images.kinds import ENVIRONMENT, HOME, IMAGES, LIBRARIES, UID, Image
from images.native import elves, needed

ROOT = Path(__file__).parents[2]
BUILT = Path(os.environ.get("METERBOOK_IMAGES", ROOT / "dist" / "images"))
pytestmark = [
    pytest.mark.images,
    pytest.mark.skipif(
        not all((BUILT / name / "usr").is_dir() for name in IMAGES), reason="there are no images: run 'make images'"
    ),
]
every_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter a root file system")


def inside(image: Image, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in an image: no network, nothing to write but /tmp, and nobody's rights."""
    script = (
        'set -e; mount --bind "$0" "$0"; mount -t tmpfs none "$0/tmp"; mount -t proc none "$0/proc"; mount --rbind /dev "$0/dev"; '
        'mount -o remount,bind,ro "$0"; exec chroot --userspec="$1" "$0" "${@:2}"'
    )
    words = ["unshare", "--mount", "--net", "--pid", "--fork", "bash", "-c", script]
    words += [str(BUILT / image.name), f"{UID}:{UID}", *command]
    return subprocess.run(words, capture_output=True, text=True, env=dict(ENVIRONMENT) | {"PATH": os.environ["PATH"]})


@every_image
def test_it_is_no_larger_than_promised(image: Image) -> None:
    assert size_bytes(BUILT / image.name) <= image.size_bytes_max


@every_image
def test_there_is_nothing_to_work_with_for_whoever_gets_in(image: Image) -> None:
    rootfs = BUILT / image.name
    programs = {path.name for folder in ("usr/bin", "usr/local/bin") for path in (rootfs / folder).iterdir()}
    assert programs == {"meterbook", "python", "python3.11"}
    assert not (rootfs / "usr/sbin").exists()
    assert not [path for path in (rootfs / LIBRARIES).glob("*") if path.name.startswith(("pip", "setuptools"))]


@every_image
def test_nobody_gains_rights_and_nobody_may_write(image: Image) -> None:
    rootfs = BUILT / image.name
    for path in rootfs.rglob("*"):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            assert not mode & (stat.S_ISUID | stat.S_ISGID), path
            assert not mode & stat.S_IWOTH or path == rootfs / "tmp", path


@every_image
def test_every_library_that_is_needed_is_there(image: Image) -> None:
    rootfs = BUILT / image.name
    there = {path.name for path in rootfs.rglob("*.so*")} | {path.name for path in rootfs.rglob("ld-linux*")}
    assert {path.name: needed(path) - there for path in elves(rootfs) if needed(path) - there} == {}


@every_image
def test_bytecode_is_that_of_the_sources_beside_it(image: Image) -> None:
    libraries = BUILT / image.name / LIBRARIES
    for package in image.packages:
        for path in (libraries / package).rglob("*.py"):
            compiled = Path(importlib.util.cache_from_source(str(path))).read_bytes()
            assert compiled[8:16] == importlib.util.source_hash(path.read_bytes()), path


@every_image
@needs_root
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")
def test_all_that_it_is_for_can_be_loaded(image: Image) -> None:
    program = (
        "import importlib, pkgutil, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for each in pkgutil.walk_packages(importlib.import_module(name).__path__, name + '.'):\n"
        "        if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
        "print('all')"
    )
    done = inside(image, "/usr/local/bin/python", "-c", program, *image.packages)
    assert done.stdout == "all\n", done.stderr


@every_image
@needs_root
def test_the_command_says_its_version(image: Image) -> None:
    done = inside(image, "/usr/local/bin/meterbook", "--version")
    assert done.stdout.startswith("meterbook, version "), done.stderr


@needs_root
def test_the_extensions_of_duckdb_load_without_a_network() -> None:
    program = (
        "import duckdb, importlib.resources as r\n"
        "c = duckdb.connect(config={'allow_unsigned_extensions': True, 'autoinstall_known_extensions': False})\n"
        "for n in ('ducklake', 'sqlite_scanner', 'httpfs', 'postgres_scanner'):\n"
        "    f = r.files('duckdb_extension_' + n) / 'extensions' / f'v{duckdb.__version__}' / f'{n}.duckdb_extension'\n"
        "    c.execute(f\"LOAD '{f}'\")\n"
        "import typst; print(typst.compile(b'= Hello', format='pdf')[:5].decode())"
    )
    done = inside(IMAGES["ledger"], "/usr/local/bin/python", "-c", program)
    assert done.stdout == "%PDF-\n", done.stderr


@needs_root
@every_image
def test_it_runs_as_who_owns_its_folder(image: Image) -> None:
    found = (BUILT / image.name / HOME.lstrip("/")).stat()
    assert (found.st_uid, found.st_gid) == (UID, UID)
