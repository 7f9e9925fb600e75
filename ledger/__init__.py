"""The ledger: takes batches in, keeps the book, and answers for it.

Reading order: ``intake`` (what is accepted), ``journal`` (how it is kept), ``directory`` (definitions),
``metering``, ``costing``, ``rating``, ``billing``, then ``query`` and ``server``. Each knows only those before it.
"""
