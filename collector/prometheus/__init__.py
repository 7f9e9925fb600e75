"""Prometheus targets: pages of metrics, scraped as they are and turned into series and samples.

Reading order, which is also the way of a scrape::

    config.py      what can be set: jobs, targets, limits
    targets.py     what is written becomes addresses
    jobs.py        addresses become targets and sources, by the rules of a job
    files.py       addresses in files; kubernetes_sd/ those that a cluster knows; monitors/ those that its monitors choose
    discovery.py   the targets of a job, as they come and go; scrapers.py their collectors
    negotiation.py which formats are asked for, and which one a page is in
    fetch.py       one GET, bounded in time and size: a whole page, or a SourceError
                   (collector.exposition makes rows of it: series as text, value, time; and the declared types)
    catalogue.py   the series behind a row, remembered from scrape to scrape
    screening.py   values that cannot be metered become dead letters
    collector.py   one target: scrape, readings, coverage

What is kept: counters and gauges; of histograms and summaries the sum and the count. Buckets, quantiles and exemplars
are left out, because nobody is billed by them. Values are the float64 that the target exposed, never differences.
"""
