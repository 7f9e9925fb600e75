"""Throws changed bytes at every decoder for a while, led by the code that they reach (atheris, which is libFuzzer).

Each target of ``bench._targets`` begins from the files in ``tests/data/corpus/<target>`` and runs in a process of its own.
What a target must not raise ends its run; the bytes are then kept beside the seeds, where the tests find them for ever.

    make fuzz ARGS="--target all --seconds 600"
    python -m bench.fuzz [--target sections] [--seconds 60]
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench._figure import report

CORPUS = Path(__file__).parents[1] / "tests/data/corpus"
NAMES = ("page", "protobuf", "sections", "batch", "record", "segment", "proof")
#: Fewer would mean that something is wrong with the fuzzer.
GOAL_PER_S = 50
_INPUT_BYTES_MAX = 1 << 16
_RSS_MIB_MAX, _SLOW_S = 2_048, 20


def run(target: str, seconds: float) -> tuple[int, list[Path]]:
    """Executions of a target, and the files of what it did not take."""
    seeds = CORPUS / target
    before = set(seeds.iterdir())
    with tempfile.TemporaryDirectory(prefix="meterbook-fuzz-") as found:
        options = [found, str(seeds), f"-artifact_prefix={seeds}/found-", f"-max_total_time={round(seconds)}"]
        options += [f"-max_len={_INPUT_BYTES_MAX}", f"-rss_limit_mb={_RSS_MIB_MAX}", f"-timeout={_SLOW_S}"]
        command = [sys.executable, "-m", "bench.fuzz", "--inside", "--target", target]
        done = subprocess.run(
            [*command, "--", *options, "-print_final_stats=1"], stderr=subprocess.PIPE, text=True, check=False
        )
    executions = re.search(r"number_of_executed_units: +(\d+)", done.stderr)
    findings = sorted(set(seeds.iterdir()) - before)
    if done.returncode or executions is None:
        print(done.stderr[-6_000:], file=sys.stderr)
    if not findings and (done.returncode or executions is None):
        raise SystemExit(f"{target}: the fuzzer ended with {done.returncode}; what it said is above")
    return int(executions[1]) if executions else 0, findings


def fuzz(target: str, options: list[str]) -> None:
    """Fuzz in this process, which ends with it."""
    try:
        fuzzer: Any = importlib.import_module("atheris")
    except ModuleNotFoundError:
        raise SystemExit("atheris is missing: 'make fuzz' installs it") from None
    with fuzzer.instrument_imports(include=["collector", "meterbook", "ledger"]):
        targets = importlib.import_module("bench._targets").TARGETS
    fuzzer.Setup([sys.argv[0], *options], targets[target])
    fuzzer.Fuzz()


def main() -> None:
    """Run, and print the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=["all", *NAMES], default="all")
    parser.add_argument("--seconds", type=float, default=60.0, help="of all targets together")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        fuzz(given.target, given.options)
    names = NAMES if given.target == "all" else [given.target]
    executions: dict[str, int] = {}
    findings: list[Path] = []
    for name in names:
        executions[name], found = run(name, given.seconds / len(names))
        print(f"{name}: {executions[name]} executions, {len(found)} findings", flush=True)
        findings += found
    total, goal = sum(executions.values()), round(GOAL_PER_S * given.seconds)
    report(
        "fuzzed executions without a finding",
        total,
        "executions",
        goal=goal,
        met=not findings and total >= goal,
        peers={},
        limit=executions,
    )
    if findings:
        raise SystemExit("\n".join(["these bytes were not taken as they should be:", *map(str, findings)]))


if __name__ == "__main__":
    main()
