"""Objects below a prefix of a bucket, wherever S3 is spoken: each version of an object is read once, however late it comes.

Reading order::

    config.py     what can be set
    found.py      an object as a list shows it, and the mark by which it is known again
    walk.py       which objects are next, as a value: a walk over the keys, what it has passed, what it has marked
    bucket.py     the requests: pages of a list, and the bytes of one version of an object
    download.py   the body of an answer, piece by piece as it comes
    content.py    the bytes of an object as events, portion by portion
    batch.py      objects that are one JSON array
    rows.py       objects of Parquet, by their rows
    turns.py      several objects at once, taken in turn
    collector.py  one collection

What was read and what comes next is in the checkpoint: an agent that is killed goes on in the middle of an object.
"""
