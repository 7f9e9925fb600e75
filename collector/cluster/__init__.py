"""The Kubernetes API, for reading only: the one way in which collectors come to a cluster.

Reading order::

    permissions.py  what a collector declares that it reads: a group, a resource, get, list or watch
    roles.py        the ClusterRole that grants exactly what is declared
    guard.py        the client's own RBAC: what is not declared does not leave this process
    config.py       what can be set: which cluster, and every bound
    credentials.py  how a cluster is reached: service account or kubeconfig; the only module that knows ``kubernetes``
    refusals.py     what the API server's statuses mean, in the errors of ``collector.errors``
    client.py       GET and watch, bounded in time and size
    listing.py      pages and watch events as values
    reflector.py    list and watch of one collection, for ever

One declaration does both: it makes the role, and it limits the client at run time. A collector that reads more than it
declared fails in its first test, not in somebody's cluster.
"""
