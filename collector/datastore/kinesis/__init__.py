"""Kinesis data streams: events that programs put into a stream, shard by shard, each read once and to its end.

Reading order: ``config.py`` and ``permissions.py``; ``stream.py`` (the three questions that are asked); ``shards.py`` (which shards are
followed, and since when) with ``listing.py`` (the source that finds them) and ``lineage.py`` (what the sources of a stream tell each
other); ``position.py`` (how far a shard was read), ``cursor.py`` and ``pace.py`` (getting its records); ``aggregated.py``,
``payloads.py`` and ``lines.py`` (bytes of records as lines); ``coverage.py`` and ``collector.py`` (one collection of a shard); ``sources.py``.
"""
