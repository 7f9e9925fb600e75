"""Targets that a cluster's API server tells of, with the labels of Prometheus' ``kubernetes_sd_config``.

Reading order::

    meta.py        names of labels that are made of names of the API's objects
    groups.py      addresses that share labels, and how they are kept from one look to the next
    pods.py        pods as values, and as targets (role pod)
    services.py    services as values, and as targets (role service)
    endpoints.py   endpoint slices as values, and with services and pods as targets (role endpoints)
    permissions.py what each role reads
    collection.py  one collection of the API, always nearly current, and whether it has changed
    roles.py       the groups that each role finds
    chosen.py      the targets that the rules of a job leave of groups
    standing.py    how well a cluster is known, as a source of its own
    cluster.py     all of it for one job

Everything is a value that is compared before it is told: an object of which nothing changes that a target could show costs
nothing, and one that changes costs its own targets alone.
"""
