"""PodMonitor and ServiceMonitor objects (``monitoring.coreos.com/v1``) as jobs: targets that the cluster's users declare themselves.

Reading order::

    config.py       what can be set: which cluster, which monitors
    selectors.py    label selectors, as the API has them
    durations.py    ``1m30s`` and ``10MB``
    documents.py    what stands in a monitor, as far as it is of interest
    demands.py      what a monitor asks for and cannot be given
    rules.py        the rules that stand for a monitor: those that the Prometheus operator generates
    plans.py        an endpoint of a monitor as a job: where it looks, what it keeps, how it scrapes
    permissions.py  what is read of a cluster
    watched.py      everything that is watched of a cluster (namespaces.py: their labels)
    sources.py      monitors, and the targets that their endpoints find

The operator turns monitors into a configuration of Prometheus; here the same rules are applied directly. What the rules of an
endpoint are follows github.com/prometheus-operator/prometheus-operator, pkg/prometheus/promcfg.go. Three things are otherwise. Selectors
select objects by their labels as they are, as with ``selectorMechanism: RoleSelector``, and not by rules over mended names. Services are
looked into by their EndpointSlices, as with ``serviceDiscoveryRole: EndpointSlice``. And what would need a secret is not scraped.
"""
