"""Billing: periods, draft invoices and margins, as pure functions of the book."""
