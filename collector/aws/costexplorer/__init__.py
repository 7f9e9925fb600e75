"""Cost Explorer: what an account's days cost by service, to hold the bill against.

Cost Explorer adds up the same charges that the bill has, and says nothing of single ones: usage, taxes, fees and credits of a service are one
amount of one day. So what is read is no bill. Each month is told as a version of one, of nature ``reconciliation``, beside which the
charges of the exports can be laid; nothing is attributed by it.

A month goes on changing until some days after its end. So it is asked for daily until it is ``settle_days`` old, once more then, and told where
it is another than before: whole, as a new version, or not at all. Only days that are over are asked for. Every page is paid for,
so there is a budget, and one reader is enough.

Reading order: ``config.py``; ``months.py`` (which are due); ``asking.py`` (requests, pages, what becomes of errors); ``answers.py`` (a page as
rows); ``telling.py`` (a month as a version of a bill); ``collector.py``; ``permissions.py``.
"""
