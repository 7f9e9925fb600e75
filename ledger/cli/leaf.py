"""``meterbook proof leaf``: that a record stands where it stood, for who may not know what else is in it.

A tenant's trace names the batches behind a number by position and leaf hash alone. Whoever keeps these can see at any time that the
ledger still has the same records there: the path from the leaf must lead to a root that the ledger has signed.
"""

from __future__ import annotations

import click

from ledger.cli.client import asks_ledger, connected
from meterbook.ledger.v1 import proof_pb2
from meterbook.proof.checkpoint import open_checkpoint
from meterbook.proof.errors import ProofError
from meterbook.proof.keys import follow
from meterbook.proof.merkle import verify_inclusion
from meterbook.proof.note import VerifierKey


@click.command()
@click.argument("position", type=click.IntRange(1, (1 << 63) - 1))
@click.option("--leaf", "kept", default="", metavar="HEX", help="The leaf hash that was told; it must be the same.")
@click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="Verifier key that was kept; those the ledger names by default."
)
@asks_ledger
def leaf(position: int, kept: str, keys: tuple[str, ...]) -> None:
    """Check that the record at POSITION is in the tree that the ledger signs."""
    with connected("proving") as stubs:
        found = stubs.proof.Leaf(proof_pb2.LeafRequest(position=position))
        named = stubs.proof.Keys(proof_pb2.KeysRequest())
    try:
        known = [VerifierKey.parse(text) for text in keys or [key.verifier_key for key in named.keys]]
        signers = follow(known, list(named.rotations), known[0].name)
        checkpoint = open_checkpoint(found.note, signers, known[0].name).checkpoint
        verify_inclusion(found.leaf, position - 1, checkpoint.size, list(found.path), checkpoint.root)
    except ProofError as error:
        raise click.ClickException(f"the proof does not hold: {error}") from error
    if kept and kept != found.leaf.hex():
        raise click.ClickException(
            f"position {position} has the leaf {found.leaf.hex()} now, and not {kept}: ask for what was changed there"
        )
    click.echo(
        f"leaf {found.leaf.hex()} stands at position {position} of {checkpoint.size}, under the signed root {checkpoint.root.hex()}"
    )
