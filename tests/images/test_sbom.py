"""An image's bill of materials: all that is in the image, nothing that is not, and the same bytes for the same image."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from images import sbom
from images.build import release
from images.debian import PACKAGES
from images.kinds import IMAGES, LIBRARIES, Image
from images.locks import ROOT
from tests.images.entering import BUILT, BUILT_IMAGES

every_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
DIGEST = hashlib.sha256(b"an image").hexdigest()
STATUS = (
    "Package: libssl3\nSource: openssl (3.0.17-1)\nVersion: 3.0.17-1~deb12u3\nArchitecture: amd64\nDepends: libc6\n"
)


def package(rootfs: Path, name: str, status: str) -> None:
    folder = rootfs / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(status, encoding="utf-8")
    (folder / f"{name}.md5sums").write_text("00  usr/lib/one\n", encoding="utf-8")


def library(rootfs: Path, name: str, version: str, more: str = "") -> None:
    notes = rootfs / LIBRARIES / f"{name}-{version}.dist-info"
    notes.mkdir(parents=True)
    text = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}\nName: a description, no header\n"
    (notes / "METADATA").write_text(text, encoding="utf-8")


def locked(image: Image) -> dict[str, str]:
    """What an image's lock installs on Linux."""
    lines = re.findall(r"^([a-z0-9-]+==.*?) *\\?$", (ROOT / image.lock).read_text(encoding="utf-8"), flags=re.MULTILINE)
    needed = [each for each in map(Requirement, lines) if each.marker is None or each.marker.evaluate()]
    return {each.name: str(each.specifier).removeprefix("==") for each in needed}


def bill(image: Image, rootfs: Path, target: Path) -> dict[str, Any]:
    sbom.write(image, rootfs, "1.2.3", DIGEST, target)
    found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    return found


def test_it_names_packages_and_libraries_with_what_advisories_and_locks_call_them(tmp_path: Path) -> None:
    image, number = IMAGES["agent"], locked(IMAGES["agent"])["typing-extensions"]
    package(tmp_path / "rootfs", "libssl3", STATUS)
    library(tmp_path / "rootfs", "typing_extensions", number, "License-Expression: PSF-2.0\n")
    library(tmp_path / "rootfs", "meterbook", "1.2.3", "License: Apache-2.0\n")
    told = bill(image, tmp_path / "rootfs", tmp_path / "bill")
    debian, ours, theirs = told["components"]
    assert debian["purl"] == "pkg:deb/debian/libssl3@3.0.17-1~deb12u3?arch=amd64&distro=bookworm"
    assert debian["properties"] == [{"name": "debian:source", "value": "openssl"}]
    assert (ours["purl"], ours["properties"]) == ("pkg:pypi/meterbook@1.2.3", [])
    assert theirs["purl"] == f"pkg:pypi/typing-extensions@{number}"
    assert theirs["licenses"] == [{"expression": "PSF-2.0"}]
    lock = (ROOT / image.lock).read_text(encoding="utf-8")
    (block,) = [each for each in re.split(r"^(?=[a-z])", lock, flags=re.MULTILINE) if each.startswith("typing-ext")]
    assert [each["value"] for each in theirs["properties"]] == re.findall(r"[0-9a-f]{64}", block) != []
    assert told["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]
    assert told["dependencies"][0]["dependsOn"] == [each["bom-ref"] for each in told["components"]]


def test_a_library_that_no_lock_names_is_refused(tmp_path: Path) -> None:
    package(tmp_path, "libssl3", STATUS)
    library(tmp_path, "typing_extensions", "0.0.1")
    with pytest.raises(SystemExit, match=r"typing-extensions 0\.0\.1 is in the image and not in images/agent\.lock"):
        bill(IMAGES["agent"], tmp_path, tmp_path / "bill")


def test_the_same_image_has_the_same_bill(tmp_path: Path) -> None:
    package(tmp_path, "libssl3", STATUS)
    (tmp_path / LIBRARIES).mkdir(parents=True)
    first, again, other = tmp_path / "first", tmp_path / "again", tmp_path / "other"
    for target, digest in ((first, DIGEST), (again, DIGEST), (other, "0" * 64)):
        sbom.write(IMAGES["ledger"], tmp_path, "1.2.3", digest, target)
    assert first.read_bytes() == again.read_bytes()
    numbers = {json.loads(each.read_text(encoding="utf-8"))["serialNumber"] for each in (first, again, other)}
    assert len(numbers) == 2


class TestBuilt:
    pytestmark = BUILT_IMAGES

    @every_image
    def test_it_is_the_bill_of_this_image(self, image: Image) -> None:
        told = json.loads((BUILT / f"{image.repository}.cdx.json").read_text(encoding="utf-8"))
        whole = told["metadata"]["component"]
        with tarfile.open(BUILT / f"{image.repository}.tar") as archive:
            (manifest,) = json.load(archive.extractfile("manifest.json") or pytest.fail("there is no manifest"))
            config = archive.extractfile(manifest["Config"])
            assert config is not None
            digest = hashlib.file_digest(config, "sha256").hexdigest()
        assert manifest["RepoTags"] == [f"{whole['name']}:{whole['version']}"] == [f"{image.repository}:{release()}"]
        assert whole["hashes"] == [{"alg": "SHA-256", "content": digest}]

    @every_image
    def test_it_names_all_that_was_installed(self, image: Image) -> None:
        told = json.loads((BUILT / f"{image.repository}.cdx.json").read_text(encoding="utf-8"))["components"]
        names = {
            kind: {c["name"]: c["version"] for c in told if c["purl"].startswith(kind)}
            for kind in ("pkg:deb", "pkg:pypi")
        }
        assert sorted(names["pkg:deb"]) == sorted(PACKAGES)
        assert names["pkg:pypi"] == locked(image) | {"meterbook": release()}
