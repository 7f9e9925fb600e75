"""``meterbook entitlement``: what a tenant may use, what it has used of it, and who was told."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ledger.cli.changes import user
from ledger.cli.client import asks_ledger, connected
from ledger.cli.console import as_json_option, as_of_option, print_json, print_table
from meterbook.ledger.v1 import entitlement_pb2

#: How a check ends that says no: not as one that failed, so that a script can tell the two apart.
REFUSED = 3

_AT_LEAST = click.option(
    "--at-least",
    type=click.IntRange(1, (1 << 63) - 1),
    default=None,
    help="Wait until this journal position is counted; what is known already by default.",
)


@click.group()
def entitlement() -> None:
    """Show what a tenant may use, what it has used, and which notifications went out."""


@entitlement.command()
@click.argument("tenant")
@click.argument("feature")
@click.option("--quantity", default="", help="How much is about to be used; anything at all by default.")
@_AT_LEAST
@as_of_option
@as_json_option
@asks_ledger
def check(tenant: str, feature: str, quantity: str, at_least: int | None, as_of: int | None, as_json: bool) -> None:
    """Say whether TENANT may use FEATURE now; exits with 0 if so and with 3 if not."""
    request = entitlement_pb2.CheckEntitlementRequest(
        tenant=tenant, feature=feature, quantity=quantity, at_least=at_least or 0, as_of=as_of or 0
    )
    with connected("counting") as stubs:
        response = stubs.entitlements.Check(request)
    if as_json:
        print_json(response)
    else:
        note = _counted(response.as_of, response.counted_until)
        _print_entitlements([response.entitlement], note)
    if not response.entitlement.allowed:
        raise SystemExit(REFUSED)


@entitlement.command("list")
@click.argument("tenant")
@_AT_LEAST
@as_of_option
@as_json_option
@asks_ledger
def list_features(tenant: str, at_least: int | None, as_of: int | None, as_json: bool) -> None:
    """List every feature that TENANT's plan or subscription names."""
    request = entitlement_pb2.ListEntitlementsRequest(tenant=tenant, at_least=at_least or 0, as_of=as_of or 0)
    with connected("counting") as stubs:
        response = stubs.entitlements.List(request)
    if as_json:
        print_json(response)
        return
    _print_entitlements(response.entitlements, _counted(response.as_of, response.counted_until))


@entitlement.command()
@click.option("--tenant", "tenants", multiple=True, help="Only this tenant; may be given again.")
@click.option("--since", default="", metavar="TIME", help="Only from this time on, RFC 3339; all by default.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The newest so many.")
@as_of_option
@as_json_option
@asks_ledger
def notifications(tenants: tuple[str, ...], since: str, limit: int, as_of: int | None, as_json: bool) -> None:
    """List the thresholds that were reached, the newest first, and what became of telling webhooks."""
    request = entitlement_pb2.NotificationsRequest(as_of=as_of or 0, tenants=tenants, since=since, limit=limit)
    with connected("reading") as stubs:
        response = stubs.entitlements.Notifications(request)
    if as_json:
        print_json(response)
        return
    rows = []
    for each in response.notifications:
        first = [each.reached, each.tenant, each.feature, f"{each.threshold} %", each.used, each.limit, each.unit]
        told = [_told(delivery) for delivery in each.deliveries] or [""]
        rows.append([*first, told[0]])
        rows += [[""] * len(first) + [text] for text in told[1:]]
    print_table(
        ["reached", "tenant", "feature", "threshold", "used", "limit", "unit", "webhooks"],
        rows,
        right=["threshold", "used", "limit"],
        note=f"{len(response.notifications)} of {response.total}, as of position {response.as_of}",
    )


@entitlement.command()
@click.option("--since", required=True, metavar="TIME", help="Notifications of this time or later, RFC 3339.")
@click.option("--webhook", "webhooks", multiple=True, help="Only to this webhook; may be given again. All by default.")
@click.option("--author", default=None, help="Who wants it, for the record; your user name by default.")
@as_json_option
@asks_ledger
def replay(since: str, webhooks: tuple[str, ...], author: str | None, as_json: bool) -> None:
    """Deliver notifications again, with the ids that they have; a webhook that was disabled is enabled by it."""
    request = entitlement_pb2.ReplayNotificationsRequest(since=since, webhooks=webhooks, author=author or user())
    with connected("writing") as stubs:
        response = stubs.entitlements.Replay(request)
    if as_json:
        print_json(response)
        return
    click.echo(
        f"{response.notifications} notifications go out again to {', '.join(response.webhooks)}"
        f" (position {response.position})"
    )


def _print_entitlements(found: Iterable[entitlement_pb2.Entitlement], note: str) -> None:
    rows = [
        [
            each.feature,
            "yes" if each.allowed else "no",
            each.used,
            each.limit,
            each.remaining,
            each.over,
            each.unit,
            each.kind,
            each.period_end,
            ", ".join(f"{percent} %" for percent in each.reached),
            each.reason,
        ]
        for each in found
    ]
    print_table(
        ["feature", "allowed", "used", "limit", "left", "over", "unit", "kind", "until", "reached", "why"],
        rows,
        right=["used", "limit", "left", "over"],
        note=note,
    )


def _counted(as_of: int, until: str) -> str:
    return f"as of position {as_of}; what was acknowledged until {until or 'now'} is counted"


def _told(delivery: entitlement_pb2.Delivery) -> str:
    more = f" after {delivery.attempts} attempts" if delivery.attempts > 1 else ""
    outcome = f": {delivery.outcome}" if delivery.outcome and delivery.state != "delivered" else ""
    later = f", again at {delivery.next}" if delivery.next else ""
    return f"{delivery.webhook} {delivery.state}{more}{outcome}{later}"
