"""What processes log: a line for each record, whoever wrote it, with its ids and without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from meterbook import logs

Say = Callable[[], None]

SECRETS = {
    "postgresql://meterbook:hunter2@db/book": "postgresql://***@db/book",
    "Authorization: Bearer abcdefghijklmnop": "Authorization: Bearer ***",
    f"agent mb_agent_0123456789abcdef_{'s' * 43} came": "agent mb_agent_0123456789abcdef_*** came",
    "signed by whsec_AbC+/d=": "signed by whsec_***",
    "GET /o?X-Amz-Signature=00ff&partNumber=1": "GET /o?X-Amz-Signature=***&partNumber=1",
    "host=db password=hunter2 user=m": "host=db password=*** user=m",
    "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----": "(PRIVATE KEY) ***",
}


def said(say: Say, form: str, level: str = "info") -> list[str]:
    """The lines that come of something."""
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        with logs.telling(level, form):
            say()
    return stream.getvalue().splitlines()


def read(say: Say) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(say, "json")]


def fail() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logging.getLogger("a.b").exception("it failed\nbadly")


def test_a_record_is_an_object_with_its_ids() -> None:
    def say() -> None:
        with logs.bound(sequence=5, agent="shop", level="not mine"):
            logging.getLogger("a.b").warning("batch %d waits", 5)

    (record,) = read(say)
    assert record.pop("timestamp").endswith("Z")
    assert record == {"level": "warning", "logger": "a.b", "message": "batch 5 waits", "agent": "shop", "sequence": 5}


def test_on_a_terminal_a_record_is_a_line_of_text() -> None:
    def say() -> None:
        with logs.bound(sequence=5, agent="shop"):
            logging.getLogger("a.b").warning("batch %d waits\n", 5)
        logging.getLogger("a.b").info("stopped")

    first, second = said(say, "text")
    assert first[24:] == " WARNING a.b: batch 5 waits [agent=shop sequence=5]"
    assert second[23:] == "Z INFO a.b: stopped"


def test_an_exception_is_one_line() -> None:
    (record,) = read(fail)
    assert record["message"] == "it failed\nbadly"
    assert record["exception"].startswith("Traceback") and record["exception"].endswith("ValueError: first\nsecond")
    (line,) = said(fail, "text")
    assert "it failed | badly | Traceback" in line and line.endswith("ValueError: first | second")


@pytest.mark.parametrize("form", logs.FORMATS)
def test_secrets_are_masked_wherever_they_stand(form: str) -> None:
    def say() -> None:
        for secret in SECRETS:
            with logs.bound(about=secret):
                try:
                    raise ValueError(secret)
                except ValueError:
                    logging.getLogger("a").exception("%s", secret)

    text = "\n".join(said(say, form))
    for secret in ("hunter2", "abcdefghijklmnop", "s" * 43, "AbC+", "00ff", "MIIE"):
        assert secret not in text
    assert [logs.masked(secret) for secret in SECRETS] == list(SECRETS.values())


def test_ids_are_those_of_their_thread() -> None:
    def elsewhere() -> None:
        logging.getLogger("a").info("elsewhere")

    def say() -> None:
        with logs.bound(agent="shop"):
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            carried = logs.ids()
        with logs.bound(**carried):
            logging.getLogger("a").info("carried")

    first, second = read(say)
    assert "agent" not in first and second["agent"] == "shop"


def test_what_nobody_caught_is_told_and_what_libraries_say() -> None:
    def ends() -> None:
        raise RuntimeError("lost")

    def say() -> None:
        thread = threading.Thread(target=ends, name="lane")
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError("at the end"), None)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        logging.getLogger("httpx").info("GET http://a/?key=1")

    thread, process, warning = read(say)
    assert thread["message"] == "lane ended: nobody caught RuntimeError" and "lost" in thread["exception"]
    assert process["level"] == "critical" and process["exception"] == "ValueError: at the end"
    assert warning["logger"] == "py.warnings" and "old" in warning["message"]


def test_level_and_form_are_told_to_children_and_nothing_stays() -> None:
    root = logging.getLogger()
    before = (root.handlers, root.level, sys.excepthook, threading.excepthook, dict(os.environ))
    told: dict[str, str] = {}

    def say() -> None:
        told.update(os.environ)
        logging.getLogger("a").info("not told")

    assert said(say, "json", "warning") == []
    assert (told["METERBOOK_LOG_LEVEL"], told["METERBOOK_LOG_FORMAT"]) == ("warning", "json")
    assert (root.handlers, root.level, sys.excepthook, threading.excepthook, dict(os.environ)) == before


def run(*arguments: str) -> Result:
    @click.command()
    @logs.asks_how
    def command(log_level: str, log_format: str | None) -> None:
        with logs.telling(log_level, log_format):
            raise click.ClickException("no such file\nin here")

    return CliRunner().invoke(command, list(arguments))


def test_what_ends_a_command_is_a_record_too() -> None:
    ended = run()
    assert ended.exit_code == 1
    assert json.loads(ended.stderr)["message"] == "no such file\nin here"
    ended = run("--log-format", "text")
    assert (ended.exit_code, ended.stderr) == (1, "Error: no such file\nin here\n")
    assert run("--log-level", "loud").exit_code == 2


def test_a_child_logs_as_its_parent_does() -> None:
    program = "from meterbook.logs import tell_as_parent; tell_as_parent(); raise RuntimeError('first\\nsecond')"
    environment = {**os.environ, "METERBOOK_LOG_FORMAT": "json", "METERBOOK_LOG_LEVEL": "info"}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 1 and json.loads(line)["message"] == "nobody caught RuntimeError"
    del environment["METERBOOK_LOG_FORMAT"]
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert ended.stderr.startswith("Traceback")


def test_whatever_is_in_a_record_it_is_one_line() -> None:
    def say() -> None:
        with logs.bound(about=b"\x00", number=1 << 70):
            logging.getLogger("a").info("\x1b[31mred \u2028 \x85 \ud800 ünï")
            logging.getLogger("a").info("100 %d", "per cent")

    first, second = read(say)
    assert first["message"] == "\x1b[31mred \u2028 \x85 \ud800 ünï" and first["number"] == 1 << 70
    assert second["message"] == "this could not be rendered (TypeError): 100 %d"
    first_line, second_line = said(say, "text")
    assert "\x1b" not in first_line and "\\x1b[31mred" in first_line and "ünï" in first_line
    assert "this could not be rendered" in second_line
