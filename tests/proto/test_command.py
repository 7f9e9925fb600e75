"""Every command of 'meterbook', down to the last: its options have names of their own, and each says what it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from meterbook.command import main


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with the words that call it."""
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        if found := command.get_command(context, name):
            yield from commands(found, (*words, name))


ALL = dict(commands(main))


@pytest.mark.parametrize("words", ALL)
def test_no_option_is_there_twice_and_each_is_explained(words: str) -> None:
    options = [each for each in ALL[words].params if isinstance(each, click.Option)]
    names = Counter(name for each in options for name in (*each.opts, *each.secondary_opts))
    assert [name for name, times in names.items() if times > 1] == []
    assert [each.opts for each in options if not each.help] == []
    assert ALL[words].help


@pytest.mark.filterwarnings("error")
def test_the_role_has_the_name_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        "ledger: {endpoint: 'ledger:9460'}\nspool: {path: /tmp/spool}\nsources: [{kind: kubernetes, cluster: prod}]\n"
    )
    asked = ["agent", "role", "--config", str(path), "--name", "reader", "--namespace", "metering"]
    done = CliRunner().invoke(main, asked, env={"METERBOOK_AGENT_NAME": "acme"})
    assert done.exit_code == 0, done.output
    assert "name: reader\n" in done.output
    assert "namespace: metering\n" in done.output
    assert "acme" not in done.output
