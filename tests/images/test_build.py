"""Images have one version: that of the project, of the charts that ask for them, and of the compose file that runs them."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from images.build import release
from images.kinds import IMAGES, Image
from images.libraries import ROOT

every_image = pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)


def test_it_is_the_project_s() -> None:
    assert release() == tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


@every_image
def test_a_chart_asks_for_it(image: Image) -> None:
    chart = yaml.safe_load((ROOT / "helm" / image.name / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["appVersion"], chart["version"]) == (release(), release())
    values = yaml.safe_load((ROOT / "helm" / image.name / "values.yaml").read_text(encoding="utf-8"))
    assert (values["image"]["repository"], values["image"]["tag"]) == (image.repository, "")


@every_image
def test_compose_and_the_dockerfile_name_it(image: Image) -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services[image.name]["image"] == f"{image.repository}:{release()}"
    dockerfile = (ROOT / "images" / f"{image.name}.Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"-t (\S+) \.$", dockerfile, re.MULTILINE) == [f"{image.repository}:{release()}"]
