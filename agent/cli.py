"""``meterbook agent``: run an agent, or check its configuration without reading or writing anything.

What a person can mend ends the command with exit code 1 and one sentence per fault; a wrong option gives 2.
"""

from __future__ import annotations

import json
import logging
import signal
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

import click

from agent.config import AgentConfig
from agent.configured import Configured, config_file, configured
from agent.doctor.command import doctor
from agent.errors import AgentError, ConfigError
from agent.memory import give_back_freed_memory
from agent.policycli import policy
from agent.process import build_sources, close_sources
from agent.reloading import Reloading
from agent.spool import Spool
from agent.trial import Trial, tried
from collector import registry
from collector.base import interval_s_of
from collector.cluster.roles import together
from meterbook import logs, tracing
from meterbook.descriptors import allow_many

_log = logging.getLogger(__name__)


@click.group()
def agent() -> None:
    """Read sources and stream their usage to a ledger."""


agent.add_command(policy)
agent.add_command(doctor)


@agent.command()
@configured
@logs.asks_how
def run(asked: Configured, log_level: str, log_format: str | None) -> None:
    """Run until told to stop (SIGTERM or Ctrl-C); then finish what is under way. On SIGHUP the configuration is read again."""
    with logs.telling(log_level, log_format):
        _run(asked)


def _run(asked: Configured) -> None:
    # Safe to be put into from a handler, and kept for when there is time for it.
    wanted: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda found, _: wanted.put_nowait(found))
    try:
        config = asked.load()
        allow_many()
        give_back_freed_memory(in_bulk=any(registry.plugin(source.kind).in_bulk for source in config.sources))
        reloading = Reloading(config, asked)
        reloading.agent.start()
        sources = len(reloading.agent.sources)
        _log.info("agent %s reads %d sources for %s", config.agent, sources, config.ledger.endpoint)
        while _asked_for(wanted) == signal.SIGHUP:
            reloading.reload()
    except (AgentError, tracing.CannotTrace) as error:
        raise click.ClickException(str(error)) from error
    _log.info("stopping: collections under way finish, then the spool is sent")
    reloading.agent.stop()
    tracing.end()
    _log.info("stopped")


def _asked_for(wanted: SimpleQueue[int]) -> int:
    """The next signal. However many SIGHUPs came meanwhile, the file is as it is now, and whoever wants an end waits for none of them."""
    number = wanted.get()
    while number == signal.SIGHUP and not wanted.empty():
        number = wanted.get()
    return number


@agent.command()
@configured
def forget_ledger(asked: Configured) -> None:
    """Forget the ledger's key and checkpoint; for after it was restored, or replaced, on purpose."""
    try:
        config = asked.load()
        spool = Spool(config.spool.path, agent=config.agent, bytes_max=config.spool.bytes_max)
        spool.keep_trust("")
        spool.close()
    except AgentError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"agent {config.agent} believes the next checkpoint that the ledger shows")


@agent.command()
@configured
@click.argument("source", required=False)
@click.option("--rows", default=10, show_default=True, type=click.IntRange(1, 10_000), help="Rows of SOURCE to show.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(asked: Configured, source: str | None, rows: int, as_json: bool) -> None:
    """Check a configuration and list the sources it names; or read SOURCE once and show what becomes of it.

    Nothing is kept and nothing is sent.
    """
    try:
        config = asked.load()
        if source is not None:
            _show_trial(tried(config, source, rows), as_json=as_json)
            return
        built = _named(config, asked.path)
    except AgentError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        sources = [{"source": name, "kind": kind, "interval_s": interval_s} for name, kind, interval_s in built]
        click.echo(json.dumps({"agent": config.agent, "ledger": config.ledger.endpoint, "sources": sources}))
        return
    protection = "not encrypted" if config.ledger.plaintext else "TLS"
    click.echo(f"agent {config.agent} for the ledger at {config.ledger.endpoint} ({protection})")
    width = max((len(name) for name, _, _ in built), default=0)
    for name, kind, interval_s in built:
        click.echo(f"  {name:<{width}}  {kind}, every {interval_s:g} s")


@agent.command()
@config_file
@click.option("--name", default="meterbook-agent", show_default=True, help="Name of the role and the service account.")
@click.option("--namespace", default="meterbook", show_default=True, help="Namespace of the service account.")
@click.option("--agent-name", envvar="METERBOOK_AGENT_NAME", metavar="NAME", help="Instead of 'agent' in the file.")
def role(config_path: Path, name: str, namespace: str, agent_name: str | None) -> None:
    """Print what the agent must be granted to read its sources, and nothing more: pipe it into 'kubectl apply -f -'."""
    try:
        config = Configured(config_path, agent_name).load()
    except AgentError as error:
        raise click.ClickException(str(error)) from error
    documents = [
        found.role(source, name, namespace)
        for source in config.sources
        if (found := registry.plugin(source.kind)).role is not None
    ]
    if not any(documents):
        raise click.ClickException(f"{config_path}: nothing has to be granted for these sources")
    click.echo(together(documents).rstrip("\n"))


def _show_trial(trial: Trial, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(trial), default=str))
        return
    for status, reason in trial.coverage:
        click.echo(f"{trial.source}: {status}{': ' if reason else ''}{reason}")
    click.echo(f"events: {trial.events_count}")
    for each in trial.events:
        named = f"{each['source']} {each['id']}"
        click.echo(
            f"  {each['time']:%Y-%m-%dT%H:%M:%S.%f}Z {each['type']} {each['value']:f} for {each['tenant']}  {named}"
        )
        click.echo(f"    subject {json.dumps(each['subject'], ensure_ascii=False)}, properties {each['properties']}")
    click.echo(f"samples: {trial.samples_count}")
    for each in trial.samples:
        click.echo(f"  {each['metric']}{each['labels']} {each['value']} ({each['kind']}) for {each['tenant']}")
    if trial.charges or trial.bills:
        _show_charges(trial)
    click.echo(f"dead letters: {trial.dead_letters_count}")
    for each in trial.dead_letters:
        click.echo(f"  {each['place']}: {each['reason']}")
        click.echo(f"    {json.dumps(each['document'], ensure_ascii=False)}")


def _show_charges(trial: Trial) -> None:
    click.echo(f"charges: {trial.charges_count}")
    for each in trial.charges:
        click.echo(
            f"  {each['ChargePeriodStart']:%Y-%m-%dT%H:%M:%SZ} {each['ChargeCategory']} {each['BilledCost'].normalize():f} "
            f"{each['BillingCurrency']}, effective {each['EffectiveCost'].normalize():f}  {each['ServiceName']} {each['ResourceId']}"
        )
        click.echo(f"    account {each['SubAccountId'] or each['BillingAccountId']}, tags {each['Tags']}")
    for each in trial.bills:
        click.echo(
            f"bill of {each['period']:%Y-%m}: {each['charges']} charges, {each['billed'].normalize():f} ({each['nature']})"
        )


def _named(config: AgentConfig, path: Path) -> list[tuple[str, str, float]]:
    """Name, kind and interval of each source."""
    try:
        built = build_sources(config)
    except ConfigError as error:
        raise _placed(error, path) from error
    names = [
        (collector.source, source.kind, interval_s_of(collector, source))
        for sources, source in built
        for collector in sources.current()
    ]
    close_sources(built)
    return names


def _placed(error: ConfigError, path: Path) -> ConfigError:
    """The faults with the name of the file, which only the command knows."""
    return ConfigError(*(f"{path}: {fault}" for fault in error.faults))
