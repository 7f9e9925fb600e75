"""What 'make images' built: what is in it, how large it is, and that it runs as root file system, read-only, without network and as nobody."""

from __future__ import annotations

import importlib.util
import stat
import tarfile
import zlib
from pathlib import Path

import pytest

from images.build import size_bytes
from images.kinds import HOME, IMAGES, LIBRARIES, UID, Image
from images.native import elves, needed
from tests.images.entering import BUILT, BUILT_IMAGES, inside, needs_root

pytestmark = BUILT_IMAGES
every_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
#: As registries are given layers.
LEVEL = 6
CHUNK_BYTES = 1 << 20


def pulled_bytes(image: Image) -> int:
    """What a node fetches: the layers of the image's archive, compressed."""
    compressor, size = zlib.compressobj(LEVEL, wbits=zlib.MAX_WBITS | 16), 0
    with tarfile.open(BUILT / f"{image.repository}.tar") as archive:
        layer = archive.extractfile("layer.tar")
        assert layer is not None
        while chunk := layer.read(CHUNK_BYTES):
            size += len(compressor.compress(chunk))
    return size + len(compressor.flush())


@every_image
def test_it_is_no_larger_than_promised_when_it_is_pulled(image: Image) -> None:
    assert pulled_bytes(image) <= image.pulled_bytes_max


@every_image
def test_it_is_no_larger_than_promised_on_a_node(image: Image) -> None:
    assert size_bytes(BUILT / image.name) <= image.unpacked_bytes_max


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


@needs_root
@every_image
def test_traces_can_be_sent(image: Image) -> None:
    program = (
        "from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as E\n"
        "from opentelemetry.sdk.trace import TracerProvider as P\n"
        "E(endpoint='http://127.0.0.1:4317', insecure=True, timeout=1).shutdown()\n"
        "p = P(); s = p.get_tracer('t').start_span('one'); s.end(); print(s.name, p.shutdown())"
    )
    done = inside(image, "/usr/local/bin/python", "-c", program)
    assert done.stdout == "one None\n", done.stderr
