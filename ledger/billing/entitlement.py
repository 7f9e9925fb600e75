"""Entitlements: what a tenant may use at an instant, of what its plan and its subscription say, and what it has used.

Two steps, because the first changes a few times a month and the second with every batch. A :class:`Right` says what is granted and in which time
usage is counted: it follows from the definitions alone, and holds until an instant that is known beforehand. :func:`judged` sets usage
against it. Both are pure, so an answer from memory and one from the book as of a position are the same answer.

Plans change features as they change prices: the version that a part of a billing period is charged by is the one whose features hold in it. What a
subscription has otherwise holds from moment to moment. While a subscription is paused nothing is charged, and so nothing is granted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from ledger.billing.cycles import Account, NoPrice, Part
from ledger.billing.period import Period
from ledger.billing.terms import accounts
from ledger.directory.catalog import Catalog
from ledger.directory.feature import Feature
from ledger.metering.windows import Windows
from ledger.schema.decimals import exact
from ledger.schema.moments import instant_of

_NONE, _HUNDRED = Decimal(0), Decimal(100)
PAUSED = "the subscription is paused"


@dataclass(frozen=True)
class Right:
    """What a tenant has of one feature, whatever it has used. ``denial`` says why it has none, "" where it has it.

    ``period`` is the time that usage is counted in; None where nothing is counted.
    """

    feature: Feature
    limit: Decimal | None = None
    period: Period | None = None
    denial: str = ""


@dataclass(frozen=True)
class Rights:
    """What a tenant has of every feature that its plan or its subscription names, from an instant on until ``until_us`` (None: for ever).

    ``denial`` says why nothing is granted at all, "" where a subscription holds.
    """

    by_name: Mapping[str, Right] = field(default_factory=dict)
    subscription: str = ""
    plan: str = ""
    plan_version: int = 0
    denial: str = ""
    until_us: int | None = None

    def of(self, feature: str) -> Right:
        """What the tenant has of one feature."""
        found = self.by_name.get(feature)
        if found is None:
            return Right(Feature(name=feature), denial=self.denial or f"plan {self.plan!r} does not have it")
        return found


@dataclass(frozen=True)
class Entitlement:
    """What a right comes to at some usage: ``over`` is what was used beyond the limit, ``reached`` are thresholds in percent.

    ``remaining`` is None without a limit.
    """

    is_allowed: bool
    reason: str
    used: Decimal = _NONE
    remaining: Decimal | None = None
    over: Decimal = _NONE
    reached: tuple[int, ...] = ()


def rights_of(catalog: Catalog, tenant: str, at_us: int) -> Rights:
    """What a tenant has at an instant."""
    until_us: int | None = None
    for account in accounts(catalog, tenant):
        start_us, end_us = account.bounds
        if start_us <= at_us and (end_us is None or at_us < end_us):
            # No two subscriptions of a tenant hold at once.
            return _rights(account, at_us)
        if at_us < start_us:
            until_us = _earlier(until_us, start_us)
    return Rights(denial="no subscription holds", until_us=until_us)


def judged(right: Right, used: Decimal, asked: Decimal | None = None) -> Entitlement:
    """What a right comes to after some usage; ``asked`` is what somebody is about to use, None for as little as there may be."""
    if right.denial or right.feature.meter is None:
        return Entitlement(not right.denial, right.denial)
    if right.limit is None:
        return Entitlement(True, "", used)
    with exact():
        remaining, over = max(right.limit - used, _NONE), max(used - right.limit, _NONE)
        is_within = used < right.limit if asked is None else used + asked <= right.limit
        reached = tuple(each for each in right.feature.thresholds if used > 0 and used * _HUNDRED >= right.limit * each)
    is_allowed = is_within or right.feature.kind == "soft"
    what = "is reached" if asked is None or used >= right.limit else "would be passed"
    reason = "" if is_within else f"the {right.feature.kind} limit {what}"
    return Entitlement(is_allowed, reason, used, remaining, over, reached)


def _rights(account: Account, at_us: int) -> Rights:
    try:
        part = _part_at(account, at_us)
    except NoPrice as error:
        return Rights(subscription=account.name, denial=str(error), until_us=account.bounds[1])
    found = {feature.name: _right(account, feature, at_us) for feature in part.plan.features}
    for override in account.subscription.features:
        if account.holds(override.since, override.until, at_us):
            found[override.name] = _overridden(
                found.get(override.name), override.name, override.limit, override.enabled
            )
    if part.free == "paused":
        found = {name: _denied(right, PAUSED) for name, right in found.items()}
    ends = [right.period.end_us for right in found.values() if right.period is not None]
    until_us = min((each for each in (part.period.end_us, *ends, *_edges(account)) if each > at_us), default=None)
    return Rights(found, account.name, part.plan_name, part.plan_version, "", until_us)


def _part_at(account: Account, at_us: int) -> Part:
    cycle = account.cycle_at(at_us)
    assert cycle is not None
    return next(part for part in account.parts(cycle) if part.period.holds(at_us))


def _right(account: Account, feature: Feature, at_us: int) -> Right:
    return Right(feature, feature.limit, None if feature.meter is None else _counted(account, feature, at_us))


def _counted(account: Account, feature: Feature, at_us: int) -> Period:
    """The time that usage is counted in: what the subscription covers of it."""
    if feature.per == "cycle":
        cycle = account.cycle_at(at_us)
        assert cycle is not None
        return cycle.period
    window = Period(*Windows(feature.per, account.zone.key).bounds(at_us)).clipped(*account.bounds)
    assert window is not None
    return window


def _overridden(standing: Right | None, name: str, limit: Decimal | None, enabled: bool | None) -> Right:
    if enabled is False:
        return _denied(standing or Right(Feature(name=name)), "the subscription leaves it out")
    if standing is None:
        # A limit of what the plan does not measure grants nothing.
        return Right(Feature(name=name), denial="" if enabled else "the plan does not have it")
    return Right(standing.feature, standing.limit if limit is None else limit, standing.period)


def _denied(right: Right, why: str) -> Right:
    return Right(right.feature, right.limit, right.period, right.denial or why)


def _edges(account: Account) -> Iterator[int]:
    """When something about the features of a subscription begins or ends."""
    for override in account.subscription.features:
        for moment in (override.since, override.until):
            if moment is not None:
                yield instant_of(moment, account.zone)


def _earlier(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)
