"""Bills that somebody has as files, brought into the book once: what ``meterbook charges import`` does.

Files are read twice. First all of them are looked at as a whole, and nothing is sent where a row of any of them is wrong. Then the bills
that are in them go to the ledger as an agent's do, in a chain of batches that the row which closes them ends; until that is in the book none
of them counts. The chain is named by what is in it, so that whoever is killed goes on where he was, and whoever brings the same rows again
brings nothing. Reading order::

    wanted.py   what is to be made of the files
    errors.py   what ends an import
    found.py    which files are meant
    rows.py     a file as charges, each with the bill that it belongs to
    digest.py   by what rows are known again
    look.py     the first reading: bills, sums, faults
    batches.py  the second: the chain
    address.py  which ledger, and who asks
    sending.py  the way of the chain to the ledger
    bringing.py bills that are there already, those that are new, and what they replace
    report.py   what a person is told
    cli.py      the command
"""
