"""The columns of an export: those of FOCUS 1.3, "Cost and Usage", those that providers added, and those that the ledger adds.

Columns that FOCUS wants in every file are always there, all others where some charge has them: an optional column of nothing but nulls would break
the rules of those that may not be null. A column that is none of FOCUS begins with ``x_`` ("Custom Column Handling"). What a provider says in a column that
the ledger fills itself stands beside it, as ``x_ProviderAllocatedTags`` does for ``AllocatedTags``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ledger.costing.portions import RATIO
from meterbook.wire.sections import AMOUNT, CHARGES, COSTS

VERSION = "1.3"

_TIME = pa.timestamp("us", tz="UTC")
#: Metrics that can be added up, which are divided ("Data Generator-Calculated Split Cost Allocation Handling").
DIVIDED = (
    *COSTS,
    "PricingQuantity",
    "PricingCurrencyEffectiveCost",
    "ConsumedQuantity",
    "CommitmentDiscountQuantity",
)
#: Metrics that every part has as the charge has them.
PRICES = (
    "ListUnitPrice",
    "ContractedUnitPrice",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyListUnitPrice",
)
TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
#: What allocation tells; all null for a charge that no rule took.
ALLOCATED_METHOD_ID, ALLOCATED_METHOD_DETAILS = "AllocatedMethodId", "AllocatedMethodDetails"
ALLOCATED_RESOURCE_ID, ALLOCATED_RESOURCE_NAME = "AllocatedResourceId", "AllocatedResourceName"
ALLOCATED_TAGS = "AllocatedTags"
_ALLOCATION = (
    ALLOCATED_METHOD_ID,
    ALLOCATED_METHOD_DETAILS,
    ALLOCATED_RESOURCE_ID,
    ALLOCATED_RESOURCE_NAME,
    ALLOCATED_TAGS,
)
#: Who bears the part, which part it is, and which charge of the book it is one of.
BEARER, SHARE, SOURCE, BILL, LINE = "x_Bearer", "x_AllocatedRatio", "x_BillSource", "x_BillVersion", "x_BillLine"
_OWN = {BEARER: pa.utf8(), SHARE: RATIO, SOURCE: pa.utf8(), BILL: pa.utf8(), LINE: pa.int64()}
#: What takes the place of a column that a charge has not: the names of providers were called otherwise before 1.3.
INSTEAD: Mapping[str, tuple[str, ...]] = {
    "ProviderName": ("ServiceProviderName",),
    "PublisherName": ("ServiceProviderName", "ProviderName"),
    "ServiceProviderName": ("ProviderName",),
    "HostProviderName": ("ServiceProviderName", "ProviderName"),
}
#: Columns of 1.3 that every file has.
_MANDATORY = frozenset(
    {
        *COSTS,
        *TIMES,
        *INSTEAD,
        *_ALLOCATION,
        "BillingAccountId",
        "BillingAccountName",
        "BillingCurrency",
        "ChargeCategory",
        "ChargeClass",
        "ChargeDescription",
        "InvoiceIssuerName",
        "PricingQuantity",
        "PricingUnit",
        "ServiceCategory",
        "ServiceName",
    }
)
#: Those of them that may not be null.
NEVER_NULL = (
    *COSTS,
    *TIMES,
    *(name for name in INSTEAD if name != "HostProviderName"),
    "BillingAccountId",
    "BillingCurrency",
    "ChargeCategory",
    "InvoiceIssuerName",
    "ServiceCategory",
    "ServiceName",
)
_ORDER = [
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "InvoiceId",
    "InvoiceIssuerName",
    "ProviderName",
    "PublisherName",
    "ServiceProviderName",
    "HostProviderName",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "ContractedCost",
    "BillingCurrency",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ListUnitPrice",
    "ContractedUnitPrice",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ServiceCategory",
    "ServiceSubcategory",
    "ServiceName",
    "SkuId",
    "SkuMeter",
    "SkuPriceId",
    "SkuPriceDetails",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "RegionId",
    "RegionName",
    "AvailabilityZone",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountCategory",
    "CommitmentDiscountType",
    "CommitmentDiscountStatus",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountUnit",
    "ContractApplied",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "AllocatedMethodId",
    "AllocatedMethodDetails",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "Tags",
]
#: Most columns that providers may add: each takes room in every row.
CUSTOM_MAX = 500


@dataclass(frozen=True)
class Columns:
    """The columns of an export. ``read`` has the key of a charge's further columns by the name of the export's column.

    ``left_out`` is how many columns that providers added are not among them.
    """

    schema: pa.Schema
    read: Mapping[str, str]
    left_out: int = 0

    def keys(self) -> list[str]:
        """What is read of the further columns of charges, sorted."""
        instead = [name for names in INSTEAD.values() for name in names]
        return sorted({*self.read.values(), *instead})


def columns_of(keys: Collection[str]) -> Columns:
    """The columns of charges whose further columns have these names; of more than CUSTOM_MAX of providers the first ones."""
    known = frozenset(_ORDER)
    held = {name for name in CHARGES.names if name in known}
    standing = [name for name in _ORDER if name in _MANDATORY or name in held or name in keys]
    read = {name: name for name in standing if name not in held and name not in _ALLOCATION}
    del read["BillingPeriodStart"]
    custom = sorted(name for name in keys if name not in known or name in _ALLOCATION)
    for name in custom[:CUSTOM_MAX]:
        read[_custom(name, read)] = name
    fields = [pa.field(name, _kind(name)) for name in standing]
    fields += [pa.field(name, kind) for name, kind in _OWN.items()]
    fields += [pa.field(name, pa.utf8()) for name in read if name not in known]
    return Columns(pa.schema(fields), read, len(custom[CUSTOM_MAX:]))


def _custom(name: str, taken: Collection[str]) -> str:
    """What a provider's own column is called."""
    found = name if name.startswith("x_") else f"x_{name}"
    if name in _ALLOCATION or found in _OWN:
        found = f"x_Provider{name.removeprefix('x_')}"
    while found in taken:
        found += "_"
    return found


def _kind(name: str) -> pa.DataType:
    if name in TIMES:
        return _TIME
    return AMOUNT if name in DIVIDED or name in PRICES else pa.utf8()


def numbers_of(columns: Columns) -> Sequence[str]:
    """The columns of numbers that are read of a charge's further columns."""
    return [name for name in (*DIVIDED, *PRICES) if name in columns.read]
