"""``--currency``, and the rates that an answer was turned by: whoever reads an amount has to see what it stands on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Context, Decimal
from typing import TypeVar

import click

from ledger.cli.console import print_table
from meterbook.ledger.v1 import exchange_pb2

Function = TypeVar("Function", bound=Callable[..., None])

#: Digits of a rate that a table shows; JSON has all.
_SHOWN = Context(prec=12)


def currency_option(function: Function) -> Function:
    """``--currency``; the command gets ``currency``, empty where not given."""
    return click.option(
        "--currency",
        default="",
        metavar="CODE",
        help="Turn all amounts into this currency, such as EUR, by definitions of kind exchange-rates.",
    )(function)


def print_rates(rates: Iterable[exchange_pb2.ExchangeRate]) -> None:
    """A table of the rates that were used; nothing where there are none."""
    rows = [
        [
            f"1 {rate.currency}",
            f"{_SHOWN.create_decimal(Decimal(rate.rate)):f}",
            rate.into,
            rate.first_day if rate.first_day == rate.last_day else f"{rate.first_day} to {rate.last_day}",
            " x ".join(_quoted(each) for each in rate.quotations),
        ]
        for rate in rates
    ]
    if rows:
        print_table(["rate of", "is", "into", "for", "as quoted"], rows, right=["is"])


def _quoted(each: exchange_pb2.Quotation) -> str:
    return f"1 {each.base} = {each.rate} {each.quote} of {each.when} ({each.definition}, version {each.version})"
