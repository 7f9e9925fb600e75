"""The journal: an append-only log that is the truth, and tables derived from it.

Reading order: ``frames`` (one record as bytes), ``segment`` (one file of records), ``log`` (the directory of
segments, group commit), ``screening`` (which rows of a batch can be used), ``derive`` (a record's table rows),
``tables`` (where the rows are kept), ``materialiser`` (which moves them there), ``view`` (the questions that the
rest of the ledger asks), ``journal`` (all of it under one roof). ``FORMAT.md`` has the bytes.
"""
