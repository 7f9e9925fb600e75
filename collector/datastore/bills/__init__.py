"""Bills of a cloud, from the exports that it writes into a bucket: AWS Data Exports of FOCUS and of CUR 2.0.

A refresh of an export is a *version* of the bill of one billing period. It is told by its manifest, read file by file, and closed by a row
that makes it stand as a whole, or never; until then the version before stands. Reading order::

    config.py      what can be set
    manifests.py   manifests: which period, which refresh, which files
    deliveries.py  the newest manifest of each period, and its files as they are now
    bill.py        how far a version was read
    files.py       a file as rows, from any row on:
    parquetrows.py Parquet, and
    csvtable.py    CSV, in columns of texts
    focus.py       rows of FOCUS as charges
    cur.py         rows of CUR 2.0 as rows of FOCUS
    charges.py     what both come to: charges, exact, or the row for which it is refused
    amounts.py     columns as money and as instants
    documents.py   columns as texts and as JSON
    reading.py     a version, portion by portion
    collector.py   one collection

Whoever has the bill as files of this machine reads them with the same (``agent.importing``)::

    localfiles.py  a file as rows, and the line on which a row stands
    dialects.py    columns that FOCUS does not know
"""
