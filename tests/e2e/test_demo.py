"""The demo, as a new user runs it: exit code 0 only if every number agrees and the book holds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.timeout(400)
def test_the_demo_agrees_to_the_unit_and_ends_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        env={**os.environ, "DEMO_ONCE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("The ledger agrees with the shop, to the unit") == 2
    assert "differs" not in done.stdout
    assert "the book holds" in done.stdout
