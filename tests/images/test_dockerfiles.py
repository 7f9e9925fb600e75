"""The Dockerfiles say the same as what builds images without them, and what they copy is all that they need."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from images import locks
from images.kinds import ENVIRONMENT, HOME, IMAGES, UID, Image

ROOT = Path(__file__).parents[2]
every_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)


def instructions(image: Image) -> list[tuple[str, str]]:
    """The instructions of an image's Dockerfile, each on one line."""
    text = (ROOT / "images" / f"{image.name}.Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.partition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in lines]


def pairs(image: Image, word: str) -> dict[str, str]:
    (found,) = [rest for each, rest in instructions(image) if each == word]
    return dict(part.split("=", 1) for part in shlex.split(found))


@every_image
def test_what_it_says_of_itself(image: Image) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert pairs(image, "LABEL") == image.labels(project["version"])
    assert pairs(image, "ENV") == dict(ENVIRONMENT)


@every_image
def test_whom_it_runs_as_and_what(image: Image) -> None:
    said = dict(instructions(image))
    assert said["USER"] == f"{UID}:{UID}"
    assert said["WORKDIR"] == HOME
    assert (said["ENTRYPOINT"], said["CMD"]) == ('["meterbook"]', '["--help"]')


@every_image
def test_it_stands_on_one_base_named_by_its_digest_and_ships_nothing_of_it(image: Image) -> None:
    said = instructions(image)
    assert [rest for word, rest in said if word == "FROM"] == ["${BASE} AS build", "scratch"]
    (base,) = [rest for word, rest in said if word == "ARG"]
    assert re.fullmatch(r"BASE=debian:bookworm-\d{8}-slim@sha256:[0-9a-f]{64}", base)
    assert f"-m images.build {image.name} /rootfs" in "\n".join(rest for word, rest in said if word == "RUN")
    assert said[said.index(("FROM", "scratch")) + 1] == ("COPY", "--from=build /rootfs /")


def test_both_stand_on_the_same_base() -> None:
    assert len({rest for image in IMAGES.values() for word, rest in instructions(image) if word == "ARG"}) == 1


def test_a_build_sees_what_the_wheel_is_made_of() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {each.partition("/")[0] for each in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]}
    files = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml", "images"}
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == packages | files
    assert "images" not in packages


def test_the_charts_ask_for_these_images() -> None:
    for image in IMAGES.values():
        values = (ROOT / "helm" / image.name / "values.yaml").read_text(encoding="utf-8")
        assert f"repository: {image.repository}\n" in values


@pytest.mark.parametrize("path", sorted(locks.written()))
def test_a_lock_is_the_part_of_the_whole_that_is_needed(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == locks.written()[path], "run 'make licences'"
