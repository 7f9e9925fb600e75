"""Pods and nodes of a cluster: what they used, what they asked for, and how long they lived.

Reading order::

    config.py       what can be set
    quantities.py   500m, 128Mi: amounts as Kubernetes writes them
    objects.py      pods, nodes, namespaces and owners as small values
    inventory.py    all of them, always nearly current, and what each pod is marked with
    kubelet.py      asking a node
    summary.py      what /stats/summary says
    pages.py        what /metrics/resource and /metrics/cadvisor say
    lifetimes.py    how long containers ran, from what the API server tells of them
    book.py         measurements as readings: series, tags, ends
    usage.py        the collector of a node's usage
    requests.py     the collector of what the pods of a node asked for
    capacity.py     the collector of what there is in the cluster
    sources.py      which nodes are read, by which shard
"""

from __future__ import annotations
