"""The one command: ``meterbook``. It finds sub-commands by name and loads only the one that is used.

Agent and ledger are installed apart, with different libraries, so neither may be needed to run the other. A sub-command
whose libraries are missing says which extra brings them.
"""

from __future__ import annotations

import importlib
import os
from importlib.metadata import PackageNotFoundError, version

import click

from meterbook.lean import leave_out

_COMMANDS = {
    "access": ("ledger.cli.access", "access", "Issue, list, rotate and revoke credentials."),
    "agent": ("agent.cli", "agent", "Run an agent, or check its configuration."),
    "agents": ("ledger.cli.standing", "agents", "List the agents' chains."),
    "apply": ("ledger.cli.changes", "apply", "Write definitions from YAML files."),
    "bills": ("ledger.cli.billed", "bills", "List what providers billed, and which version stands."),
    "book": ("ledger.cli.changes", "book", "Book all usage up to now, the open hour included."),
    "cost": ("ledger.cli.money", "cost", "Show what serving each tenant cost."),
    "charges": ("ledger.cli.billed", "charges", "Add up what providers billed."),
    "charges import": ("agent.importing.cli", "charges_import", "Bring bills that are files into the book."),
    "checkpoint": ("ledger.cli.proof", "checkpoint", "Show, or keep, what the ledger signs."),
    "corrections": ("ledger.cli.corrections", "corrections", "Show what was booked again, and why."),
    "coverage": ("ledger.cli.standing", "coverage", "Show how much of the time each source was observed."),
    "dead-letters": ("ledger.cli.standing", "dead_letters", "List what could not be used, and why."),
    "definitions": ("ledger.cli.standing", "definitions", "List the definitions."),
    "entitlement": ("ledger.cli.entitlement", "entitlement", "Ask what a tenant may use, and who was notified."),
    "event": ("ledger.cli.event", "event", "Show one event, or amend it."),
    "invoice": ("ledger.cli.invoice", "invoice", "Draft, finalize and prove invoices."),
    "keys": ("ledger.cli.proof", "keys", "Make, list or rotate the keys that a ledger signs with."),
    "ledger": ("ledger.cli.serve", "ledger", "Run a ledger."),
    "margin": ("ledger.cli.money", "margin", "Set revenue against cost, per tenant."),
    "meter": ("ledger.cli.meter", "meter", "Try a meter before it is written into the book."),
    "period": ("ledger.cli.period", "period", "Close periods, and see what was corrected since."),
    "plan": ("ledger.cli.plan", "plan", "Check, compare and try plans before they are applied."),
    "proof": ("ledger.cli.proof", "proof", "Prove that the ledger holds a batch, or check such a proof."),
    "reconcile": ("ledger.cli.allocated", "reconcile", "Set what was billed against what became of it."),
    "trace": ("ledger.cli.trace", "trace", "Lead from a quantity back to what was observed."),
    "usage": ("ledger.cli.usage", "usage", "Show metered usage."),
    "verify": ("ledger.cli.verify", "verify", "Check that the book says what was acknowledged."),
}


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called; their help lines stand here."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # The first word is the ledger's, both together are the agent's: neither may be needed to run the other.
        two = " ".join(args[:2])
        if two in _COMMANDS and " " in two:
            return two, self.get_command(ctx, two), args[2:]
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[cmd_name]
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            extra = module.partition(".")[0]
            raise click.ClickException(
                f"{cmd_name!r} needs the Python module {error.name!r}: install meterbook[{extra}]"
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in self.list_commands(ctx)])


def _version() -> str:
    try:
        return version("meterbook")
    except PackageNotFoundError:
        return "unknown"


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="meterbook")
def main() -> None:
    """Reads your customers' meters and keeps the book: usage, cost to serve and invoices that can be proved."""


def run() -> None:
    """The command as a process of its own."""
    leave_out()
    # Its core reads this when it is loaded, and writes lines past the log of the process; what it tells, its Python side raises.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    main()
