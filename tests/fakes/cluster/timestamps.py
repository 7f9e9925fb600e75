"""Instants as Kubernetes writes them: RFC 3339 in UTC, in whole seconds, of which the rest is cut off.

``metav1.Time`` writes no fractions (k8s.io/apimachinery, pkg/apis/meta/v1/time.go, ``MarshalJSON``), neither in objects nor in
the summary of a kubelet.
"""

from __future__ import annotations

import datetime
from functools import lru_cache

from tests.fakes.cluster.clock import SECOND


def rfc3339(at_us: int) -> str:
    """For example 2026-01-01T00:00:00Z."""
    return _written(at_us // SECOND)


@lru_cache(100_000)
def _written(at_s: int) -> str:
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
