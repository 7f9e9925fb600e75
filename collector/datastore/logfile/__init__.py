"""Log files: CloudEvents lines that another process appends to a file, followed wherever the file goes.

Reading order: ``config.py``; ``lines.py`` (bytes to lines); ``tracked.py`` (what is remembered of a file);
``rotation.py`` (which file is which, after renames and truncations); ``collector.py`` (one collection of all that).
"""
