"""A Prometheus, Thanos or VictoriaMetrics that has already scraped: its raw samples, read on from where reading stopped."""

from __future__ import annotations
