"""Public prices of AWS: the price list and the history of spot prices, each price once and for ever.

A price is an event of the instant from which on it holds, so the book can say what a thing cost at any time, as it knew it at any time. Its identity is
its rate code, the date and the price itself: a price that is changed after the fact is another event beside the first. Values are 1; what
the price is stands in the properties, as exact text. Prices of the list are ``aws.price``, those of spot instances
``aws.spot_price``. A price that begins to hold only later is told then.

Neither is paid for. Whoever reads the list again is told by its edition that nothing has changed, after one page. The history is
asked for since it was read last, and a little before: what is told twice is one event.

Reading order: ``config.py``; ``questions.py`` (what is asked); ``asking.py`` (one page); ``price.py`` (a price as an event); ``products.py`` and
``spots.py`` (a page as prices); ``progress.py`` (where each question stands); ``reading.py`` (pages until the bound); ``coverage.py``;
``collector.py``; ``permissions.py``.
"""
