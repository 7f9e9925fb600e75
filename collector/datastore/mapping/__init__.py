"""Declared mappings: records of any shape become events, without a line of code for each.

A mapping says from which fields of a record an event is made. As with CloudEvents there are two ways: a slow one, which knows all
forms and says what is wrong with a record, and a fast one, which reads whole blocks in columns, agrees with the slow one to the last
character, and leaves to it every record that it is not certain of.

Reading order: ``config.py`` with ``paths.py``, ``formats.py`` and ``zones.py`` (what is declared); ``texts.py``, ``times.py`` and ``events.py``
(the slow way: one record); ``cells.py``, ``timecolumns.py``, ``shapes.py``, ``properties.py`` and ``columns.py`` (the fast way: columns of
fields as columns of events); ``jsonlines.py``, ``regexlines.py``, ``csvrows.py`` with ``rowcut.py`` and ``pieces.py`` (bytes as fields, both
ways); ``reader.py`` (the two ways together); ``leaves.py``, ``arrowcells.py``, ``parquet.py`` and ``rowgroups.py`` (Parquet);
``eventbatch.py`` (arrays of CloudEvents).
"""
