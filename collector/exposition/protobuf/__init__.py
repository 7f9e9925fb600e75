"""Pages of ``application/vnd.google.protobuf``: MetricFamily messages, each behind its length, read column by column.

``messages`` has the table of fields, ``delimited`` finds the metrics of a page, ``fields`` reads the fields of many messages side
by side with ``varints``; ``samples`` says what becomes of a metric, ``heads`` writes what its series go by, ``numbers`` remembers where the
values stand; ``reader`` puts them together. What is wrong with a page is said with the errors in ``malformed``.
"""

from __future__ import annotations
