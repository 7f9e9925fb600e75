"""Metering: from samples and events to quantities per tenant and window.

Reading order: ``windows`` (how time is cut), ``grid`` (the windows of one question) and ``steps`` (what they consist of);
``subjects`` (which series a meter reads, and whose they are); ``nano`` (exact numbers). ``series`` and ``events`` read; ``increase``
and ``integral`` add up samples; ``points`` are what all other aggregations look at, one file each; ``aggregations`` is the
register of all of them, and ``aggregated`` what they give; ``sketch`` and ``approximate`` count about how many; ``buckets`` combines shorter windows. ``observation`` (how much of the
time was seen), ``reach`` (how far back new rows change anything), ``measure`` (one meter over one range), ``booking`` (writing
the difference into the book), ``answer`` (usage as it is asked for).
"""
