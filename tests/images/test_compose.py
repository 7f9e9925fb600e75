"""The compose file runs both images as safely as the charts do, with options and a configuration that they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click import Group
from click.testing import CliRunner

from agent.config import load
from images.kinds import HOME, IMAGES, UID
from meterbook.command import main

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_there_are_both() -> None:
    assert SERVICES.keys() == IMAGES.keys()


@each_service
def test_a_service_may_do_nothing_that_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["user"] == f"{UID}:{UID}"
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [each.partition(":")[0] for each in service["tmpfs"]] == ["/tmp"]
    assert service["healthcheck"]["test"][0] == "CMD", "there is no shell in the image"


@each_service
def test_it_is_the_image_of_this_repository(name: str) -> None:
    dockerfile = ROOT / SERVICES[name]["build"]["dockerfile"]
    version = next(line for line in dockerfile.read_text(encoding="utf-8").splitlines() if "image.version" in line)
    assert SERVICES[name]["image"] == f"{IMAGES[name].repository}:{version.split(chr(34))[1]}"


@each_service
def test_what_it_keeps_is_on_a_volume(name: str) -> None:
    named = [each for each in SERVICES[name]["volumes"] if each.partition(":")[0] in COMPOSE["volumes"]]
    assert [each.partition(":")[2] for each in named] == [HOME]
    for each in set(SERVICES[name]["volumes"]) - set(named):
        source, _, how = each.partition(":")
        assert (ROOT / source).is_file() and how.endswith(":ro")


@each_service
def test_its_command_is_known(name: str) -> None:
    words = SERVICES[name]["command"]
    assert isinstance(main, Group)
    told = CliRunner().invoke(main, [*words[:2], "--help"])
    assert told.exit_code == 0
    assert all(word in told.output for word in words if word.startswith("--"))


def test_the_agent_takes_its_configuration_and_meets_the_ledger() -> None:
    config = load(ROOT / "examples/compose/agent.yaml")
    ledger = " ".join(SERVICES["ledger"]["command"])
    assert f"--listen {config.ledger.endpoint}" in ledger
    assert str(config.spool.path).startswith(HOME)
    assert f"http://{config.http.listen}/healthz" in SERVICES["agent"]["healthcheck"]["test"][-1]
