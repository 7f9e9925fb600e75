"""The journal: an append-only log that is the truth, and tables derived from it.

Reading order: ``place`` (where a book is kept), ``record`` and ``fence`` (chains), ``frames`` (one record as bytes), ``log``
(what any log promises), ``grouping`` (group commit), ``segment`` and ``embedded`` (the log in files of one machine),
``shared`` (the log in S3 and PostgreSQL, for several replicas), ``screening`` (which rows of a batch can be used), ``derive`` (a record's table rows),
``deriver`` and ``deriving`` (the same, a part at a time, and in a process of its own where there is much to do),
``tables`` (where the rows are kept), ``cancelling`` (questions that
nobody waits for any more), ``materialiser`` (which moves them there), ``view`` (the questions that the
rest of the ledger asks), ``journal`` (all of it under one roof). ``FORMAT.md`` has the bytes.
"""
