"""Metering: from samples and events to quantities per tenant and hour.

Reading order: ``subjects`` (which series a meter reads, and whose they are), ``nano`` (exact numbers), ``increase`` and
``integral`` (what series add up to), ``occurrences`` (what events add up to), ``aggregations`` (the register of
all of them), ``observation`` (how much of the time was seen), ``reach`` (how far back new rows change anything), ``measure`` (one meter over one range),
``booking`` (writing the difference into the book), ``answer`` (usage as it is asked for).
"""
