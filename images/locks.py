"""The locks of the images: the part of ``requirements.lock`` that each needs, and of that only what is ever imported.

    python -m images.locks        # writes images/*.lock; 'make licences' calls it

Which package needs which is read from what is installed here (see ``dependencies``). A build has no such metadata yet, so the files
are committed, and a test holds them to ``requirements.lock``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from images.dependencies import closure, locked
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
    return _HEAD.format(of=of) + locked(closure(asked, LEFT_OUT))


if __name__ == "__main__":
    for _path, _text in written().items():
        (ROOT / _path).write_text(_text, encoding="utf-8")
