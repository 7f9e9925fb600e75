"""``meterbook invoice``: draft, finalize, list, show, prove and explain invoices."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from ledger.cli.changes import user
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, dimensions_told, percent, print_json, print_table, shown
from ledger.cli.invoicefile import show
from meterbook.ledger.v1 import invoicing_pb2, query_pb2

_TENANTS = click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
_AUTHOR = click.option("--author", default=None, help="Who does it, for the record; your user name by default.")
_COLUMNS = ["line", "period", "quantity", "unit", "unit price", "amount", "coverage"]


@click.group()
def invoice() -> None:
    """Draft, finalize, list, show, prove and explain invoices.

    A draft can be made at any time, and changes with the book. An invoice that is finalized has a number and never changes: what is
    corrected later stands on the next one, or on a credit note.
    """


@invoice.command()
@click.argument("tenant")
@click.option("--at", default="", metavar="TIME", help="Any time of the billing period; now by default.")
@as_of_option
@as_json_option
@asks_ledger
def draft(tenant: str, at: str, as_of: int | None, as_json: bool) -> None:
    """Draft the invoices of TENANT for a billing period, one for each subscription."""
    with connected("drafting") as stubs:
        response = stubs.query.Invoice(query_pb2.InvoiceRequest(as_of=as_of or 0, tenant=tenant, at=at))
    if as_json:
        print_json(response)
        return
    for each in response.invoices:
        click.echo(
            f"Draft invoice for {shown(each.tenant)}: {shown(each.plan)} (version {each.plan_version}), "
            f"{each.billed.start} to {each.billed.end}"
        )
        print_document(json.loads(each.document), response.as_of)


@invoice.command()
@click.option(
    "--at",
    default="",
    metavar="TIME",
    help="Only the billing period that holds this time; all that are due by default.",
)
@click.option("--since", default="", metavar="TIME", help="Only billing periods that begin then or later.")
@click.option("--opening", is_flag=True, help="What is billed in advance for the first billing period, before it.")
@click.option("--force", is_flag=True, help="Finalize also where something is in the way.")
@click.option("--reason", default="", help="Why, for the record; needed with --force.")
@_TENANTS
@_AUTHOR
@as_json_option
@asks_ledger
def finalize(
    at: str,
    since: str,
    opening: bool,
    force: bool,
    reason: str,
    tenants: tuple[str, ...],
    author: str | None,
    as_json: bool,
) -> None:
    """Make invoices of drafts of billing periods that have ended, each once, in order, numbered without gaps.

    A run that is broken off is begun again. The exit code is 1 where a draft was refused.
    """
    request = invoicing_pb2.FinalizeRequest(
        at=at, since=since, tenants=tenants, author=author or user(), force=force, reason=reason, opening=opening
    )
    outcomes: Counter[str] = Counter()
    with connected("") as stubs:
        for each in stubs.invoicing.Finalize(request):
            outcomes[each.outcome] += 1
            if as_json:
                print_json(each)
            else:
                click.echo(shown(_outcome(each)))
    if not as_json:
        click.echo(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())) or "nothing is due")
    if outcomes["refused"]:
        raise SystemExit(1)


@invoice.command()
@click.argument("tenant")
@click.argument("subscription")
@click.option("--reason", required=True, help="Why it does not wait for the next invoice, for the record.")
@_AUTHOR
@as_json_option
@asks_ledger
def correct(tenant: str, subscription: str, reason: str, author: str | None, as_json: bool) -> None:
    """Finalize what the invoices of SUBSCRIPTION of TENANT should have been besides what they are: a credit note, or an invoice."""
    request = invoicing_pb2.CorrectRequest(
        tenant=tenant, subscription=subscription, author=author or user(), reason=reason
    )
    with connected("correcting") as stubs:
        response = stubs.invoicing.Correct(request)
    if as_json:
        print_json(response)
    elif response.HasField("invoice"):
        click.echo(
            f"{response.invoice.kind} {response.invoice.id}: {response.invoice.total} {response.invoice.currency}"
        )
    else:
        click.echo("nothing is to be corrected")


@invoice.command("list")
@_TENANTS
@click.option("--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Most to list.")
@click.option("--offset", type=click.IntRange(0, 2**31 - 1), default=0, help="How many of the oldest to leave out.")
@as_of_option
@as_json_option
@asks_ledger
def list_invoices(tenants: tuple[str, ...], limit: int, offset: int, as_of: int | None, as_json: bool) -> None:
    """List finalized invoices, oldest first."""
    request = invoicing_pb2.InvoicesRequest(as_of=as_of or 0, tenants=tenants, limit=limit, offset=offset)
    with connected("reading") as stubs:
        response = stubs.invoicing.Invoices(request)
    if as_json:
        print_json(response)
        return
    print_heads(response.invoices, response.invoices_total, response.as_of)


@invoice.command()
@click.argument("id")
@as_json_option
@asks_ledger
def verify(id: str, as_json: bool) -> None:
    """Compute the finalized invoice ID again from the book as it stood, and compare byte by byte. The exit code is 1 where it differs."""
    with connected("computing") as stubs:
        response = stubs.invoicing.VerifyInvoice(invoicing_pb2.VerifyInvoiceRequest(id=id))
    if as_json:
        print_json(response)
    elif response.holds:
        head = response.invoice
        click.echo(
            f"{head.id} holds: {head.total} {head.currency}, computed again as of position {head.at_position}, "
            f"SHA-256 {response.finalized_sha256}"
        )
    if not response.holds:
        for sentence in response.differences:
            click.echo(f"problem: {shown(sentence)}", err=True)
        raise SystemExit(1)


@invoice.command()
@click.argument("id")
@click.option("--line", "number", type=click.IntRange(1, 100_000), required=True, help="Which line, counted from 1.")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=1_000, show_default=True, help="Most entries to list."
)
@as_json_option
@asks_ledger
def explain(id: str, number: int, limit: int, as_json: bool) -> None:
    """Show the entries behind a line of the finalized invoice ID; 'meterbook trace' goes on from each to samples and batches."""
    with connected("reading") as stubs:
        response = stubs.invoicing.ExplainLine(invoicing_pb2.ExplainLineRequest(id=id, line=number, limit=limit))
    if as_json:
        print_json(response)
        return
    line = json.loads(response.line)
    print_table(_COLUMNS, line_rows(number, line), right=["quantity", "unit price", "amount", "coverage"])
    if not line["meter"]:
        click.echo("this line charges no usage, so no entries stand behind it")
        return
    rows = [
        [
            each.window,
            dimensions_told(each.dimensions),
            each.quantity,
            each.estimated,
            str(each.version),
            str(each.position),
        ]
        for each in response.entries
    ]
    left = response.entries_total - len(response.entries)
    position = response.invoice.at_position
    more = [f"{left} more entries"] if left else []
    print_table(
        ["window", "dimensions", "quantity", "estimated", "version", "position"],
        rows,
        right=["quantity", "estimated", "version", "position"],
        note="; ".join([*more, f"their sum is {response.quantity}", f"as of position {position}"]),
    )
    if response.entries:
        click.echo(
            f"samples: meterbook trace {line['meter']} {response.invoice.tenant} --at {response.entries[0].window} --as-of {position}"
        )


invoice.add_command(show)


def print_heads(heads: Iterable[invoicing_pb2.InvoiceHead], count: int, as_of: int) -> None:
    """Finalized invoices as a table."""
    rows = [
        [
            each.id,
            each.kind,
            each.tenant,
            each.subscription,
            each.start,
            each.end,
            each.total,
            each.currency,
            each.finalized,
            each.author,
        ]
        for each in heads
    ]
    columns = ["id", "kind", "tenant", "subscription", "start", "end", "total", "currency", "finalized", "author"]
    print_table(columns, rows, right=["total"], note=f"{count} in all; as of position {as_of}")


def print_document(document: Mapping[str, Any], as_of: int) -> None:
    """The lines of an invoice, each with its pieces, and the total."""
    billed = document["billed"]
    rows = [row for number, line in enumerate(document["lines"], 1) for row in line_rows(number, line, billed)]
    rows.append(["total", "", "", "", "", f"{document['total']} {document['currency']}", ""])
    note = f"coverage {percent(document['coverage'])}; as of position {as_of}"
    print_table(_COLUMNS, rows, right=["quantity", "unit price", "amount", "coverage"], note=note)
    for sentence in document["notes"]:
        click.echo(f"note: {shown(sentence)}")


def line_rows(number: int, line: Mapping[str, Any], billed: Mapping[str, str] | None = None) -> list[list[str]]:
    """A line, and beneath it the pieces that it has where they are several; its period where that is not what is billed."""
    pieces: Sequence[Mapping[str, Any]] = line["details"]
    price = pieces[0]["unit_price"] if len(pieces) == 1 else ""
    period = "" if line["period"] == billed else f"{line['period']['start']} to {line['period']['end']}"
    rows = [[_title(number, line), period, line["quantity"], line["unit"], price, line["amount"], _observed(line)]]
    if line["included"] != "0":
        rows.append(["   included", "", f"-{line['included']}", line["unit"], "", "", ""])
    if len(pieces) > 1:
        rows += [
            [
                f"   {each['label'] or 'tier ' + str(each['tier'])}",
                "",
                each["quantity"],
                line["unit"],
                each["unit_price"],
                "",
                "",
            ]
            for each in pieces
        ]
    return rows


def _title(number: int, line: Mapping[str, Any]) -> str:
    title = line["title"] or line["product"] or "all"
    kind = "" if line["role"] == "charge" else f"{line['role']}: "
    if line["invoiced"] not in ("0", "0.00") and not line["corrects"]:
        kind = "invoiced before: "
    corrects = f", correction of {line['corrects']}" if line["corrects"] else ""
    return f"{number}. {kind}{title}{corrects}"


def _observed(line: Mapping[str, Any]) -> str:
    if not line["expected_us"]:
        return ""
    # Rounded down, so that 100 % is only said when it is all.
    return percent(str(line["observed_us"] * 10_000 // line["expected_us"] / 10_000))


def _outcome(told: invoicing_pb2.FinalizeResponse) -> str:
    head = told.invoice
    who = f"{told.tenant} {told.subscription}"
    if told.outcome in ("finalized", "already"):
        by = f" by {head.author} at {head.finalized}" if told.outcome == "already" else ""
        return f"{who}: {told.outcome}{by}: {head.kind} {head.id}, {head.start} to {head.end}, {head.total} {head.currency}"
    obstacles = "".join(f"\n  {each.meter} {each.tenant or 'all'}: {each.reason}" for each in told.obstacles[:10])
    return f"{who}: {told.outcome}: {told.reason}{obstacles}"
