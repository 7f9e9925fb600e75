"""What finding targets reads of a cluster: declared here once, for the role that is granted and for the client that is limited by it.

This module needs nothing of the cluster's library, so that a role can be printed where that is not installed.
"""

from __future__ import annotations

from collector.cluster.permissions import Permission

#: All that keeping a collection current takes.
VERBS = ("list", "watch")

PODS = Permission("", "pods", VERBS)
SERVICES = Permission("", "services", VERBS)
SLICES = Permission("discovery.k8s.io", "endpointslices", VERBS)

#: By the role of a configuration.
BY_ROLE = {"pod": (PODS,), "service": (SERVICES,), "endpoints": (SLICES, SERVICES, PODS)}
