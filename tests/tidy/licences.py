"""Under which licences the locked dependencies stand: what ``make licences`` writes, and a test holds to ``requirements.lock``.

It is read from the metadata of what is installed. That tells licences in several ways, and of some packages not exactly enough, or they are
installed on other systems only: those stand in ``SAID``, each as its own licence file has it. What ships is what the extras bring, by the metadata
of the packages themselves; all else is only for developing.

    python -m tests.tidy.licences            # writes LICENSES.md
    python -m tests.tidy.licences shipped    # prints the part of requirements.lock that ships
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from images import dependencies

ROOT = Path(__file__).parents[2]
LOCK, LIST = ROOT / "requirements.lock", ROOT / "LICENSES.md"

#: What metadata does not say, or not exactly.
SAID = {
    "click-default-group": "BSD-3-Clause",
    "colorama": "BSD-3-Clause",
    "google-re2": "BSD-3-Clause",
    "itsdangerous": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "pymerkle": "GPL-3.0-or-later",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "requests-oauthlib": "ISC",
}
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3": "BSD-3-Clause",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "http://www.apache.org/licenses/LICENSE-2.0": "Apache-2.0",
}
_EXACT = re.compile(r"[A-Za-z0-9.+-]*-[0-9][A-Za-z0-9.+-]*|MIT|ISC|0BSD|Unlicense|Zlib")

_HEAD = """# Licences

Meterbook itself is under Apache-2.0 (LICENSE). These are its dependencies as `requirements.lock` has them, with their licences as SPDX names;
`make licences` writes this list, and a test holds it to the lock file.
"""


def locked() -> list[tuple[str, str]]:
    """Names and versions in the lock file; a name stands there twice where versions of Python need different ones."""
    return re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)


def licence(name: str) -> str:
    """The licence of a package. Raises LookupError where nobody knows it."""
    if name in SAID:
        return SAID[name]
    try:
        metadata = distribution(name).metadata
    except PackageNotFoundError as error:
        raise LookupError(f"{name} is not installed: run 'make setup', or put its licence into SAID") from error
    classifiers = [
        each.rpartition(" :: ")[2] for each in metadata.get_all("Classifier") or () if each.startswith("License")
    ]
    told = (metadata.get("License") or "").partition("\n")[0].strip()
    for each in (metadata.get("License-Expression") or "", told, *classifiers):
        found = _SPDX.get(each, each)
        if all(_EXACT.fullmatch(part) for part in re.split(r" (?:AND|OR|WITH) |[()]+", found) if part) and found:
            return found
    raise LookupError(f"{name} says {told or classifiers}: look at its licence file, and put it into SAID")


def shipped() -> set[str]:
    """The names of what the extras bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    return dependencies.closure([*project["dependencies"], *(one for extra in extras for one in extra)], may_lack=True)


def written() -> str:
    """The whole list."""
    ships = shipped()
    parts = [_HEAD]
    for title, is_shipped in (("What ships", True), ("Only for developing", False)):
        rows = [
            f"| {name} | {number} | {licence(name)} |" for name, number in locked() if (name in ships) is is_shipped
        ]
        parts.append(
            "\n".join([f"## {title}", "", "| package | version | licence |", "| --- | --- | --- |", *rows, ""])
        )
    return "\n".join(parts)


def requirements() -> str:
    """The part of the lock file that ships."""
    return dependencies.locked(shipped())


if __name__ == "__main__":
    if sys.argv[1:] == ["shipped"]:
        sys.stdout.write(requirements())
    else:
        LIST.write_text(written(), encoding="utf-8")
