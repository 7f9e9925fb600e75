"""The bill of materials of an image: what is in it, read from the image itself, so that a scanner or a customer need not guess.

It is CycloneDX 1.6 as JSON. Debian's packages are those of ``/var/lib/dpkg/status.d``, libraries those whose metadata lie beside them, each with
the hashes that the image's lock allows for it. Nothing in it tells when or where it was made: the same image gives the same bytes.
"""

from __future__ import annotations

import json
import re
import uuid
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from images.debian import RELEASE
from images.kinds import LIBRARIES, Image
from images.libraries import ROOT

_SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


def write(image: Image, rootfs: Path, version: str, digest: str, target: Path) -> None:
    """Write the bill of the image that has this ``digest``. Raises SystemExit where it holds a library that its lock does not name."""
    components = [*_packages(rootfs), *_libraries(image, rootfs)]
    whole = {
        "type": "container",
        "bom-ref": image.repository,
        "name": image.repository,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_OID, f"{image.repository}:{version}@sha256:{digest}").urn,
        "version": 1,
        "metadata": {"component": whole},
        "components": components,
        "dependencies": [{"ref": image.repository, "dependsOn": [each["bom-ref"] for each in components]}],
    }
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _packages(rootfs: Path) -> list[dict[str, Any]]:
    """Debian's, by the names of binary packages, with the source packages that advisories name."""
    found = []
    for path in sorted((rootfs / "var/lib/dpkg/status.d").iterdir()):
        if path.suffix == ".md5sums":
            continue
        told = _headers(path)
        name, version, architecture = told["Package"], told["Version"], told["Architecture"]
        source = (told["Source"] or name).partition(" ")[0]
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro={RELEASE}"
        properties = [{"name": "debian:source", "value": source}]
        found.append(_component(name, version, purl) | {"properties": properties})
    return found


def _libraries(image: Image, rootfs: Path) -> list[dict[str, Any]]:
    locked = _locked(image)
    found = []
    for path in sorted((rootfs / LIBRARIES).glob("*.dist-info/METADATA")):
        told = _headers(path)
        name, version = re.sub(r"[-_.]+", "-", told["Name"]).lower(), told["Version"]
        if name != "meterbook" and (name, version) not in locked:
            raise SystemExit(f"{path}: {name} {version} is in the image and not in {image.lock}.")
        each = _component(name, version, f"pkg:pypi/{name}@{quote(version)}")
        licence = told["License-Expression"]
        if licence and _SPDX.fullmatch(licence):
            each["licenses"] = [{"expression": licence}]
        hashes = locked.get((name, version), [])
        found.append(each | {"properties": [{"name": "lock:sha256", "value": one} for one in hashes]})
    return found


def _locked(image: Image) -> dict[tuple[str, str], list[str]]:
    """What may be installed, and the hashes of its files."""
    text = (ROOT / image.lock).read_text(encoding="utf-8")
    blocks = re.findall(r"^([a-z0-9-]+)==(\S+)((?:.*\\\n)*.*)$", text, re.MULTILINE)
    return {(name, version): re.findall(r"sha256:([0-9a-f]{64})", rest) for name, version, rest in blocks}


def _component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _headers(path: Path) -> Message:
    return HeaderParser().parsestr(path.read_text(encoding="utf-8"))
