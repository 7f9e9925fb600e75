"""Columns of a cost table that neither FOCUS nor CUR 2.0 has, so that a person sees what was taken along without being understood.

Nothing depends on them: each stays with its charge under its own name. Columns of a provider's own begin with ``x_`` (FOCUS 1.2, section
"Custom Columns") and are no surprise.
"""

from __future__ import annotations

from collections.abc import Sequence

from collector.datastore.bills import cur

#: FOCUS 1.0 to 1.4, dataset "Cost and Usage", and what was there in a version and is gone in a later one.
_FOCUS = """
AllocatedMethodDetails AllocatedMethodId AllocatedResourceId AllocatedResourceName AllocatedTags AvailabilityZone BilledCost
BillingAccountId BillingAccountName BillingAccountType BillingCurrency BillingPeriodEnd BillingPeriodStart CapacityReservationId
CapacityReservationStatus ChargeCategory ChargeClass ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart
CommitmentDiscountCategory CommitmentDiscountId CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus
CommitmentDiscountType CommitmentDiscountUnit CommitmentProgramEligibilityDetails ConsumedQuantity ConsumedUnit ContractApplied
ContractedCost ContractedUnitPrice EffectiveCost HostProviderName InvoiceDetailId InvoiceId InvoiceIssuerName ListCost
ListUnitPrice PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost
PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName RegionId RegionName ResourceId ResourceName
ResourceType ServiceCategory ServiceName ServiceProviderName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId
SubAccountId SubAccountName SubAccountType Tags
"""
FOCUS = frozenset(_FOCUS.split())
#: Data Exports user guide, "Cost and Usage Report (CUR) 2.0": columns stand in groups.
_CUR = (
    "bill_",
    "capacity_reservation_",
    "discount",
    "identity_",
    "line_item_",
    "pricing_",
    "product",
    "reservation_",
    "savings_plan_",
    "split_line_item_",
)
_CUR_ALONE = frozenset({"cost_category", "resource_tags", "tags"})
_OWN = "x_"


def table_of(columns: Sequence[str]) -> str:
    """What a file with these columns is called: ``FOCUS`` or ``CUR 2.0``."""
    return "CUR 2.0" if cur.MARK in columns else "FOCUS"


def strange(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that are not understood, in their order."""
    if cur.MARK in columns:
        return tuple(name for name in columns if not name.startswith(_CUR) and name not in _CUR_ALONE)
    return tuple(name for name in columns if name not in FOCUS and not name.startswith(_OWN))
