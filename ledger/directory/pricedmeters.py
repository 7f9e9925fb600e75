"""Price books against the meters whose usage they price: whether there is what the books look at, in units that convert.

A book that looks at a dimension which no usage has would price nothing, and one whose unit measures something else could not be reckoned with.
Both are found when a book is applied, at the field that is wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from ledger.directory.catalog import Catalog
from ledger.directory.documents import Document, Fault
from ledger.directory.meter import Meter
from ledger.directory.pricebook import TENANT, Item, PriceBook
from ledger.schema.calendar import UNITS
from ledger.schema.spec import Path
from ledger.schema.units import factor


def price_book_faults(after: Catalog, documents: Sequence[Document]) -> Iterator[Fault]:
    """What speaks against price books, as the meters of a catalog are."""
    for document in documents:
        if isinstance(document.spec, PriceBook):
            for name, item in document.spec.items.items():
                versions = after.versions("meter", item.meter) if item.meter is not None else ()
                if versions and isinstance(meter := versions[-1].spec, Meter):
                    for path, message in _unfit(item, meter):
                        yield document.fault(("spec", "items", name, *path), message)


def _unfit(item: Item, meter: Meter) -> Iterator[tuple[Path, str]]:
    if UNITS.index(meter.window.unit) > UNITS.index("hour"):
        yield (
            ("meter",),
            f"meter {item.meter!r} has windows of a {meter.window.unit}, but prices hold by the hour: name one of an hour or less",
        )
    for name, path in item.looks_at():
        if name not in (TENANT, *meter.group_by):
            near = difflib.get_close_matches(name, meter.group_by, n=1)
            known = f"did you mean {near[0]!r}?" if near else f"it has {', '.join((TENANT, *meter.group_by))}"
            yield path, f"meter {item.meter!r} has no dimension {name!r}; {known}"
    if item.unit is not None:
        try:
            factor(meter.unit, item.unit)
        except ValueError as error:
            yield ("unit",), f"meter {item.meter!r}: {error}"
