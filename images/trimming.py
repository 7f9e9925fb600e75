"""What wheels bring along and no image needs: headers, sources of compiled modules, tests, and descriptions of services that nobody asks.

What is not said here is kept: a rule must be sure, for all that it would remove. Native code has rules of its own (see ``native``).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from images.kinds import LIBRARIES
from images.libraries import ROOT
from images.services import services

#: By the path below the libraries.
_NOT_NEEDED = re.compile(
    # What C is compiled against, and what modules were compiled from.
    r".*\.(pyx|pxd|pxi|pyi|h|hpp|c|cc|cpp|a|lib|cmake|typed)"
    # What Arrow speaks beside its own format and Parquet, and numpy's way to other compilers.
    r"|pyarrow/(include|tests|src)/.*"
    r"|pyarrow/_?(flight|substrait|s3|s3fs|gcsfs|azurefs|hdfs|orc|dataset_orc|cuda|gandiva|pyarrow_cpp_tests)\..*"
    r"|numpy/(_core|core)/(include|tests|lib)/.*|numpy/(f2py|distutils)/.*"
    r"|pyarrow/(_?json|_?feather|_dataset_parquet_encryption|_parquet_encryption)\..*|numpy/_core/(_simd|.*_tests)\..*"
    r"|numpy/(_pyinstaller|random/lib)/.*"
    # The asynchronous half of the client of Kubernetes.
    r"|kubernetes/(aio|e2e_test)/.*"
    # Tests of others, by the name that they all give them.
    r"|(.*/)?tests?/.*"
    r"|google/protobuf/(compiler|testdata)/.*"
    # Examples and documents.
    r"|boto3/examples/.*|.*\.dist-info/(licenses/.*/tests?/.*|sboms/.*)"
)
#: What looks like tests and is not.
_NEEDED = re.compile(r"numpy/(testing|_core/tests/_natype\.py)(/.*)?|.*\.dist-info/licenses/.*")


def trim(rootfs: Path) -> None:
    """Remove all of it."""
    libraries = rootfs / LIBRARIES
    for path in sorted(libraries.rglob("*")):
        name = path.relative_to(libraries).as_posix()
        if path.is_file() and _NOT_NEEDED.fullmatch(name) and not _NEEDED.fullmatch(name):
            path.unlink()
    _trim_services(libraries)
    _trim_languages(libraries)
    for folder in sorted((each for each in rootfs.rglob("*") if each.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _trim_services(libraries: Path) -> None:
    """Of AWS only what is asked, by the code of Meterbook and by botocore where it finds credentials."""
    data = libraries / "botocore" / "data"
    if not data.is_dir():
        return
    known = frozenset(each.name for each in data.iterdir() if each.is_dir())
    asked = services([ROOT / "collector", ROOT / "agent", ROOT / "ledger", libraries / "botocore"], known)
    for name in known - asked:
        shutil.rmtree(data / name)


def _trim_languages(libraries: Path) -> None:
    """Of languages those that invoices are written in, in all their countries."""
    written = ROOT / "ledger" / "export" / "languages" / "__init__.py"
    kept = {"root", *re.findall(r'^    "([a-z]+)": \w+\.LABELS,$', written.read_text(encoding="utf-8"), re.MULTILINE)}
    for path in (libraries / "babel" / "locale-data").glob("*.dat"):
        if path.stem.partition("_")[0] not in kept:
            path.unlink()
