"""``meterbook agents``, ``coverage``, ``dead-letters`` and ``definitions``."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, percent, print_json, print_table, range_options
from meterbook.ledger.v1 import query_pb2


@click.command()
@as_of_option
@as_json_option
@asks_ledger
def agents(as_of: int | None, as_json: bool) -> None:
    """List the agents' chains: how far each is, and what it brought."""
    with connected("reading") as stubs:
        response = stubs.query.Agents(query_pb2.AgentsRequest(as_of=as_of or 0))
    if as_json:
        print_json(response)
        return
    rows = [
        [row.agent, str(row.epoch), str(row.sequence), row.hash[:16], str(row.samples), str(row.events), row.last_seen]
        for row in response.rows
    ]
    print_table(
        ["agent", "epoch", "sequence", "hash", "samples", "events", "last seen"],
        rows,
        right=["sequence", "samples", "events"],
        note=f"as of position {response.as_of}",
    )


@click.command()
@click.option("--source", "sources", multiple=True, help="Only this source; may be given again.")
@click.option("--gaps", is_flag=True, help="List every interval that was not wholly observed.")
@range_options
@as_of_option
@as_json_option
@asks_ledger
def coverage(sources: tuple[str, ...], gaps: bool, start: str, end: str, as_of: int | None, as_json: bool) -> None:
    """Show how much of the time each source was observed, and until when it is accounted for (its watermark).

    Below stand the events that a meter selects and makes no value of.
    """
    asked = query_pb2.Range(start=start, end=end)
    with connected("reading") as stubs:
        response = stubs.query.Coverage(query_pb2.CoverageRequest(as_of=as_of or 0, range=asked, sources=sources))
    if as_json:
        print_json(response)
        return
    note = f"as of position {response.as_of}, {response.time}" if response.time else f"as of position {response.as_of}"
    if gaps:
        listed = [
            [row.source, gap.start, gap.end, gap.status, gap.agent, gap.reason, gap.outlook]
            for row in response.rows
            for gap in row.gaps
        ]
        print_table(["source", "start", "end", "status", "agent", "reason", "outlook"], listed, note=note)
        return
    rows = [
        [
            row.source,
            row.observed_s,
            row.expected_s,
            percent(row.coverage),
            str(len(row.gaps)),
            row.watermark,
            row.late_s,
            row.state,
        ]
        for row in response.rows
    ]
    print_table(
        ["source", "observed s", "expected s", "coverage", "gaps", "watermark", "late s", "state"],
        rows,
        right=["observed s", "expected s", "coverage", "gaps", "late s"],
        note="" if response.uncounted else note,
    )
    if response.uncounted:
        click.echo()
        _print_uncounted(response.uncounted, f"events that a meter selects and makes no value of; {note}")


def _print_uncounted(found: Iterable[query_pb2.UncountedEvents], note: str) -> None:
    rows = [[row.meter, str(row.events), row.since, row.origin, f"{row.source} {row.id}", row.reason] for row in found]
    print_table(["meter", "events", "since", "collected by", "such as", "reason"], rows, right=["events"], note=note)


@click.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most rows to list.")
@as_of_option
@as_json_option
@asks_ledger
def dead_letters(limit: int, as_of: int | None, as_json: bool) -> None:
    """List what could not be used, newest first, with the reason."""
    with connected("reading") as stubs:
        response = stubs.query.DeadLetters(query_pb2.DeadLettersRequest(as_of=as_of or 0, limit=limit))
    if as_json:
        print_json(response)
        return
    rows = [
        [str(row.position), row.agent, row.source, row.place, row.reason, row.document[:80]] for row in response.rows
    ]
    print_table(
        ["position", "agent", "source", "place", "reason", "document"],
        rows,
        right=["position"],
        note=f"{response.total} in all; as of position {response.as_of}",
    )


@click.command()
@click.option("--kind", default="", help="Only this kind.")
@as_of_option
@as_json_option
@asks_ledger
def definitions(kind: str, as_of: int | None, as_json: bool) -> None:
    """List every version of every definition."""
    with connected("reading") as stubs:
        response = stubs.query.Definitions(query_pb2.DefinitionsRequest(as_of=as_of or 0, kind=kind))
    if as_json:
        print_json(response)
        return
    rows = [
        [row.kind, row.name, str(row.version), row.effective_from or "ever", str(row.position), row.author]
        for row in response.rows
    ]
    print_table(
        ["kind", "name", "version", "effective from", "position", "author"],
        rows,
        right=["version", "position"],
        note=f"as of position {response.as_of}",
    )
