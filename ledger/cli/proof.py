"""``meterbook proof``, ``checkpoint`` and ``keys``: what lets others check the ledger without believing it.

What is written is meant for somebody else's disk: keep checkpoints and keys where the ledger's operators cannot reach.
Checking needs nothing of the ledger: ``meterbook proof check`` is ``python -m meterbook.proof check``.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from ledger.cli.access import duration
from ledger.cli.client import Stubs, asks_ledger, connected
from ledger.cli.console import as_json_option, print_json, print_table
from ledger.cli.leaf import leaf
from ledger.proof.errors import KeyRefused
from ledger.proof.keyfile import KeyFile
from meterbook.ledger.v1 import proof_pb2
from meterbook.proof.bundle import Bundle, path_text
from meterbook.proof.checkpoint import Checkpoint
from meterbook.proof.command import main as check_proof
from meterbook.proof.errors import Malformed, ProofError
from meterbook.proof.note import Note, SigningKey

_as_of_option = click.option(
    "--as-of",
    type=click.IntRange(1, (1 << 63) - 1),
    default=None,
    help="Show the tree that the book had at this journal position; the newest one by default.",
)
_output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write there instead of printing."
)


class _ProofGroup(click.Group):
    """``proof AGENT SEQUENCE`` is ``proof make AGENT SEQUENCE``: what is no command's name is an agent's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ProofGroup, subcommand_metavar="AGENT SEQUENCE | check FILE | leaf POSITION")
def proof() -> None:
    """Prove that the ledger holds a batch: AGENT SEQUENCE writes a proof, check FILE checks one, leaf POSITION tells nothing of it."""


proof.add_command(leaf)


@proof.command()
@click.argument("agent")
@click.argument("sequence", type=click.IntRange(1, (1 << 63) - 1))
@click.option("--epoch", type=click.IntRange(1, (1 << 63) - 1), default=None, help="Epoch; the newest one by default.")
@click.option(
    "--older",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A checkpoint that was kept; write to --consistency the path from it to that of the proof.",
)
@click.option("--consistency", type=click.Path(path_type=Path, dir_okay=False), help="File for that path.")
@_as_of_option
@_output_option
@asks_ledger
def make(
    agent: str,
    sequence: int,
    epoch: int | None,
    older: Path | None,
    consistency: Path | None,
    as_of: int | None,
    output: Path | None,
) -> None:
    """Write the proof that batch SEQUENCE of AGENT is in the book."""
    if (older is None) != (consistency is None):
        raise click.UsageError("--older and --consistency go together: give both")
    request = proof_pb2.InclusionRequest(agent=agent, epoch=epoch or 0, sequence=sequence, as_of=as_of or 0)
    with connected("proving") as stubs:
        response = stubs.proof.Inclusion(request)
        if older is not None and consistency is not None:
            _write(_path(stubs, older, response.bundle), consistency)
    _write(response.bundle, output)
    if output is not None:
        click.echo(f"batch {sequence} of {agent} stands at position {response.position} of {response.size}: {output}")


@proof.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def check(arguments: tuple[str, ...]) -> None:
    """Check a proof; ``--help`` shows what it takes."""
    raise SystemExit(check_proof(["check", *arguments]))


@click.command()
@_as_of_option
@_output_option
@asks_ledger
def checkpoint(as_of: int | None, output: Path | None) -> None:
    """Show what the ledger signs: its tree of so many records has this root.

    Whoever keeps one can show later whether anything before it was changed: meterbook verify --against FILE.
    """
    with connected("signing") as stubs:
        response = stubs.proof.Checkpoint(proof_pb2.CheckpointRequest(as_of=as_of or 0))
    _write(response.note, output)


@click.group()
def keys() -> None:
    """The keys that a ledger signs with."""


@keys.command("list")
@as_json_option
@asks_ledger
def list_keys(as_json: bool) -> None:
    """List the keys, oldest first. What others need to check proofs is the verifier key."""
    with connected("listing") as stubs:
        response = stubs.proof.Keys(proof_pb2.KeysRequest())
    _show(response, as_json)


@keys.command()
@click.option("--overlap", type=duration, default="1d", show_default=True, help="How long the old key signs too.")
@as_json_option
@asks_ledger
def rotate(overlap: int, as_json: bool) -> None:
    """Hand over to a new key; agents and others who hold the old one can follow."""
    with connected("rotating") as stubs:
        response = stubs.proof.RotateKey(proof_pb2.RotateKeyRequest(overlap_s=overlap))
    _show(response.keys, as_json)


@keys.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--origin",
    default=None,
    help="Name under which the book is signed, such as ledger.example.com/book; meterbook/ and a number by default.",
)
def generate(file: Path, origin: str | None) -> None:
    """Make FILE with a new signing key, for a ledger's proof.key_file, and print the verifier key that others check with.

    Asks no ledger, and never writes over a file. Replicas that share a book need the same file: keep it like the book itself.
    """
    try:
        key = SigningKey.generate(origin if origin is not None else f"meterbook/{secrets.token_hex(8)}")
    except Malformed as error:
        raise click.ClickException(f"--origin {origin!r}: {error}") from error
    try:
        KeyFile(file).create(key)
    except KeyRefused as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(key.verifier))


def _show(response: proof_pb2.KeysResponse, as_json: bool) -> None:
    if as_json:
        print_json(response)
        return
    rows = [
        (key.verifier_key, str(key.from_size), "yes" if key.is_signing else "no", key.until) for key in response.keys
    ]
    print_table(["verifier key", "from size", "signs", "until"], rows, right=["from size"])


def _path(stubs: Stubs, older: Path, bundle: str) -> str:
    """The text of a consistency file, from a kept checkpoint to that of a proof."""
    try:
        old_size = Checkpoint.parse(Note.parse(older.read_text(encoding="utf-8")).text).size
        new_size = Checkpoint.parse(Note.parse(Bundle.parse(bundle).checkpoint).text).size
    except (ProofError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"--older {older}: {error}") from error
    request = proof_pb2.ConsistencyRequest(old_size=old_size, new_size=new_size)
    return path_text(stubs.proof.Consistency(request).path)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{output}: cannot be written ({error.strerror})") from error
