"""A process that was started with few descriptors takes as many as it may."""

from __future__ import annotations

import resource
import subprocess
import sys


def test_the_limit_is_raised_as_far_as_it_goes() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300)); "
    many = (
        "from meterbook.descriptors import allow_many; print(allow_many(), resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    done = subprocess.run([sys.executable, "-c", few + many], capture_output=True, text=True, check=True)
    assert hard >= 300
    assert done.stdout == "300 (300, 300)\n"
