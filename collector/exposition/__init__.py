"""Pages of metrics, read column by column: what exporters, kubelets and cAdvisor expose.

``page`` is what was fetched. ``lines`` splits it, ``declarations`` reads its comments, ``heads`` a metric name with its
labels, ``values`` the numbers; ``reader`` puts them together and remembers the layout, because the next page of a target
has nearly the same. ``families`` says what becomes of a sample by the type that is declared for it. ``protobuf`` reads pages
of messages and gives the same columns.
"""

from __future__ import annotations
