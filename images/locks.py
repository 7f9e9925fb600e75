"""The locks of the images: the part of ``requirements.lock`` that each needs, and of that only what is ever imported.

    python -m images.locks        # writes images/*.lock; 'make licences' calls it

Which package needs which is read from the metadata of what is installed here, for Linux. A build has no such metadata yet, so the files
are committed, and a test holds them to ``requirements.lock``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from images.kinds import IMAGES

ROOT = Path(__file__).parents[1]

#: What others ask for and nobody here comes to: with it, all that it alone would bring stays away.
LEFT_OUT = {
    "aiohttp": "the asynchronous client of Kubernetes",
    "aiohttp-retry": "the asynchronous client of Kubernetes",
    "pip": "sqlite-utils would install plug-ins with it",
    "pycparser": "cffi would read C with it",
    "pygments": "rich would colour source code with it",
    "tzdata": "Debian's own time zones are there, and mended with Debian",
}
#: With what the wheel is made, and what puts others in their place.
TOOLS = ("hatchling",)

_MARKERS = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
}
_HEAD = "# Made by 'make licences' from requirements.lock: what {of} needs.\n"


def written() -> dict[str, str]:
    """Every lock by its path below the root."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {
        image.lock: _lock(
            f"the image of the {image.name}",
            [*project["dependencies"], *(one for e in image.extras for one in project["optional-dependencies"][e])],
        )
        for image in IMAGES.values()
    }
    return {**found, "images/tools.lock": _lock("a build of the images", TOOLS)}


def _lock(of: str, asked: Iterable[str]) -> str:
    names = _closure(asked)
    blocks = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements.lock").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return _HEAD.format(of=of) + "".join(each for each in blocks if each.partition("==")[0] in names)


def _closure(asked: Iterable[str]) -> set[str]:
    waiting = [Requirement(each) for each in asked]
    found: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if name not in LEFT_OUT and (name, extra) not in found:
                found.add((name, extra))
                waiting += _needed(name, extra)
    return {name for name, _ in found}


def _needed(name: str, extra: str) -> Iterator[Requirement]:
    try:
        told = distribution(name).requires or ()
    except PackageNotFoundError as error:
        raise LookupError(f"{name} is not installed: run 'make setup'") from error
    for each in map(Requirement, told):
        if each.marker is None or each.marker.evaluate({**_MARKERS, "extra": extra}):
            yield each


if __name__ == "__main__":
    for _path, _text in written().items():
        (ROOT / _path).write_text(_text, encoding="utf-8")
