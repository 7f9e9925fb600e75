"""CloudWatch: statistics of metrics, read when they have settled, and what reading them costs.

Values of CloudWatch converge: the one of a period may go on changing for minutes or hours after its end. The book takes the first value that it
is told of an event, or of a moment of a series, for ever, whoever of several readers tells it. So nothing is told before it is
``settle_s`` old, and every reader tells the same. A value that is seen to change even after that (it is looked at for as long again) stays as it was
told, and is a dead letter that says that ``settle_s`` is too short.

``Sum`` and ``SampleCount`` of a period are amounts: each is an event at the beginning of its period, and events add up. Whether a statistic of a
coarse period or those of the fine ones within it are told, the sum is the same. ``Average``, ``Minimum``, ``Maximum`` and percentiles are levels: samples of a
gauge, held for one period each, with the marker of an end behind a period that no other follows; a meter of them needs a ``max_gap_s`` of their period at least. All of it is marked ``quality`` =
``best_effort``: what services publish is no complete account of their requests ("Monitoring metrics with Amazon CloudWatch",
Amazon S3 user guide), and is to be reconciled with the bill.

What is asked for is paid by metric and not by point, so much is asked for at a time, and rarely.

Reading order: ``config.py``; ``streams.py`` (what is read); ``listing.py`` (which metrics there are); ``steps.py`` (what is due, and what is gone);
``asking.py`` (requests; what they cost is kept by ``collector.aws.spending``); ``telling.py`` (points to events and samples); ``coverage.py``; ``collector.py``.
"""
