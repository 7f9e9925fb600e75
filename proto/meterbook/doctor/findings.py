"""What ``doctor`` finds: one sentence about each thing that was looked at, and what to do where it is not as it should be.

A check is a function that yields findings; what it cannot look at, since something before it failed, it leaves out. Each is bounded by a
time-out of its own, changes nothing, and what it says is masked as the log is: a doctor's report is what people paste into tickets.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeVar

import click

from meterbook.logs import masked

Function = TypeVar("Function", bound=Callable[..., None])

#: Seconds that anything outside of this process may take to answer.
PATIENCE_S = 5.0


@dataclass(frozen=True)
class Finding:
    """What was found by a check; ``advice`` says what to do, and is empty where all is well."""

    check: str
    status: Literal["ok", "warning", "failure"]
    found: str
    advice: str = ""


Check = Callable[[], Iterable[Finding]]


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, and should not stay so."""
    return Finding(check, "warning", found, advice)


def failure(check: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, "failure", found, advice)


def examined(checks: Sequence[tuple[str, Check]]) -> Iterator[Finding]:
    """What the checks find, one after the other; one that fails itself is a finding, and the others go on."""
    for name, check in checks:
        try:
            for each in check():
                yield Finding(each.check, each.status, masked(each.found), masked(each.advice))
        except Exception as error:  # noqa: BLE001 - whatever a check stumbles over must not hide what the others find
            told = masked(f"{type(error).__name__}: {error}".partition("\n")[0])
            yield failure(name, f"this could not be looked at: {told}", "look at that first, or report it")


def as_json_option(function: Function) -> Function:
    """``--json``; the command gets ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of lines.")(function)


def told(findings: Iterable[Finding], *, as_json: bool) -> None:
    """Print findings as they come; then exit with 1 where there is a failure."""
    has_failed = False
    kept: list[Finding] = []
    for each in findings:
        has_failed |= each.status == "failure"
        if as_json:
            kept.append(each)
            continue
        click.echo(f"{each.status:<7}  {each.check}: {each.found}")
        if each.advice:
            click.echo(f"{'':<7}  -> {each.advice}")
    if as_json:
        click.echo(json.dumps({"ok": not has_failed, "findings": [asdict(each) for each in kept]}, indent=2))
    if has_failed:
        raise SystemExit(1)
