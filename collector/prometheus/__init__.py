"""Prometheus targets: pages of metrics, scraped as they are and turned into series and samples.

Reading order, which is also the way of a scrape::

    config.py      what can be set: jobs, targets, limits
    targets.py     what is written becomes addresses, and addresses become sources
    fetch.py       one GET, bounded in time and size: a whole page, or a SourceError
    exposition.py  the page becomes rows: series as text, value, time; and the declared types
    families.py    what a row is, by the type its family declares: counter, gauge, start time, or of no interest
    catalogue.py   the series behind a row, remembered from scrape to scrape
    screening.py   values that cannot be metered become dead letters
    collector.py   one target: scrape, readings, coverage

What is kept: counters and gauges; of histograms and summaries the sum and the count. Buckets, quantiles and exemplars
are left out, because nobody is billed by them. Values are the float64 that the target exposed, never differences.
"""
