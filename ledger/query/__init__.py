"""Query: what operators and finance people ask, answered from a view of the book.

Reading order: ``questions`` (positions, ranges and what a bad question is told), ``scope`` (what the
callers see who may not see all), ``usage``, ``money`` (cost, margin,
invoices), ``standing`` (agents, coverage, dead letters, definitions), ``verify``; ``event``
and ``correcting`` (what was corrected). ``applying`` and ``amending`` write.
"""
