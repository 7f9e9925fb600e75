"""``meterbook invoice show``: a finalized invoice, or a draft, as a file that a customer or a program can read."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.cli.client import asks_ledger, connected
from ledger.export import FORMATS, CannotRender, render
from meterbook.ledger.v1 import invoicing_pb2, query_pb2
from meterbook.wire import instants


@click.command()
@click.argument("id")
@click.option(
    "--format", "form", type=click.Choice(sorted(FORMATS)), default="json", show_default=True, help="What to write."
)
@click.option("--language", default="", help="Language of what people read, such as de; the customer's own by default.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Write to this file; to standard output by default.",
)
@click.option(
    "--fonts",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="METERBOOK_FONTS",
    default=None,
    help="A folder with more fonts for PDF, such as those of Japanese.",
)
@click.option("--draft", "is_draft", is_flag=True, help="ID is a tenant, and its draft of the billing period is shown.")
@click.option("--at", default="", metavar="TIME", help="With --draft: any time of the billing period; now by default.")
@asks_ledger
def show(id: str, form: str, language: str, output: Path | None, fonts: Path | None, is_draft: bool, at: str) -> None:
    """Show the finalized invoice ID as JSON, CSV, HTML or PDF."""
    files: list[bytes] = []
    try:
        with connected("reading") as stubs:
            if is_draft:
                drafts = stubs.query.Invoice(query_pb2.InvoiceRequest(tenant=id, at=at)).invoices
                files += [render(each.document, form, language, fonts=fonts) for each in drafts]
            else:
                found = stubs.invoicing.FinalInvoice(invoicing_pb2.FinalInvoiceRequest(id=id))
                head = found.invoice
                files.append(
                    render(
                        found.document,
                        form,
                        language,
                        id=head.id,
                        issued_us=instants.parse(head.finalized),
                        zone=found.zone,
                        proof=found.hash,
                        fonts=fonts,
                    )
                )
    except CannotRender as error:
        raise click.ClickException(str(error)) from error
    for number, content in enumerate(files):
        if output is None:
            click.echo(content, nl=False)
        else:
            path = output if not number else output.with_stem(f"{output.stem}-{number + 1}")
            try:
                path.write_bytes(content)
            except OSError as error:
                raise click.ClickException(f"{path}: {error.strerror or error}") from error
