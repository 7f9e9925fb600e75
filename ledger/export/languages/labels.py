"""What an invoice says in its own words, whatever the language: one field for each.

A language is complete by type: one that lacks a text, or has one that nobody asks for, is no ``Labels``. Names in braces are filled in and are the
same in every language.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The texts of one language."""

    invoice: str
    credit_note: str
    draft: str
    draft_note: str
    issued: str
    due: str
    payment_term: str
    period: str
    plan: str
    seller: str
    customer: str
    tax_id: str
    total_due: str
    total_credit: str

    recurring: str
    usage: str
    adjustments: str
    corrections: str
    settlement: str
    subtotal: str
    """{name}"""
    nothing: str

    description: str
    quantity: str
    unit: str
    unit_price: str
    amount: str
    """{currency}"""

    discount: str
    minimum: str
    maximum: str
    commitment: str
    overage: str
    draw_down: str
    credit: str

    tier: str
    """{number}"""
    included: str
    charged: str
    for_period: str
    """{period}"""
    prorated: str
    """{percent} {amount}"""
    observed: str
    """{percent}"""
    estimated: str
    """{quantity}"""
    taken_back: str
    corrects: str
    """{invoice} {period}"""
    corrected: str
    """{invoiced} {due}"""

    coverage: str
    """{percent}"""
    estimates: str
    notes: str
    payment: str
    contact: str
    """{email}"""
    position: str
    """{position}"""
    record_hash: str
    """{hash}"""
    verify: str
    """{command}"""
    attached: str
    page: str
    """{page} {pages}"""
