"""Log files: lines that other processes append to files, followed wherever the files go.

Reading order: ``config.py``; ``looks.py`` (what is there at one moment), ``contents.py`` and ``handles.py`` (files as they are, or unpacked); ``tracked.py`` (what is remembered of a file);
``copies.py`` (which files are copies of others) and
``rotation.py`` (which file is which, after renames, truncations and compression); ``places.py`` (what lines are called that have no id) and
``readers.py`` (lines as events); ``portions.py`` (what is taken of one file) and ``collector.py`` (one collection of all that).
Of a pattern: ``patterns.py`` (which files it matches), ``listing.py`` (which of them are read, and since when) and ``sources.py``.
"""
