"""The labels of a series: what the target exposes and what is known of the target, joined, rewritten and held to limits.

A target's own labels (``job``, ``instance``, those of the configuration and of discovery) are put on every series. An exposed label
of the same name is kept as ``exported_<name>``: what a target says of itself must not pass for what we know of it. Only for a
federation or a push gateway (``honor_labels``) does the exposed one win. Then the rules of ``metric_relabelings`` are applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from collector.errors import PermanentError
from collector.prometheus.config import ScrapeConfig
from collector.prometheus.relabeling import Relabeling, is_metric_name
from collector.prometheus.targets import Target
from meterbook.wire.series import canonical_json

_NAME = "__name__"


class Labeling:
    """Labels of the series of one target."""

    def __init__(self, config: ScrapeConfig, target: Target) -> None:
        self._config = config
        self._target = target
        self._added = dict(target.labels)
        self._relabeling = Relabeling(config.metric_relabelings)
        #: Labels of series about the target itself, and attributes of all its series, as canonical JSON.
        self.of_target = canonical_json(self._added)
        self.attributes = canonical_json({"target": target.url})

    def labelled(self, name: str, exposed: Mapping[str, str]) -> tuple[str, str] | None:
        """Metric and labels (canonical JSON) of what is exposed; None where a rule drops it.

        Raises PermanentError where a limit is exceeded, or rules leave no name.
        """
        labels = self._joined(exposed)
        if self._relabeling:
            left = self._relabeling.apply({**labels, _NAME: name})
            if left is None:
                return None
            name = left.pop(_NAME, "")
            if not is_metric_name(name):
                raise PermanentError(f"{self._target.url}: metric_relabelings leave {name!r} as a metric's name")
            labels = {key: value for key, value in left.items() if not key.startswith("__")}
        self._check_limits(name, labels)
        return name, canonical_json(labels)

    def _joined(self, exposed: Mapping[str, str]) -> dict[str, str]:
        if self._config.honor_labels or self._added.keys().isdisjoint(exposed):
            return {**self._added, **exposed}
        labels = dict(self._added)
        for name, value in exposed.items():
            free = name
            while free in labels or (free != name and free in exposed):
                free = f"exported_{free}"
            labels[free] = value
        return labels

    def _check_limits(self, metric: str, labels: Mapping[str, str]) -> None:
        limits = self._config
        if (
            len(labels) <= limits.label_count_max
            and len(metric) <= limits.metric_name_length_max
            and max(map(len, labels), default=0) <= limits.label_name_length_max
            and max(map(len, labels.values()), default=0) <= limits.label_value_length_max
        ):
            return
        self._check_names([metric], "metric_name_length_max", limits.metric_name_length_max)
        self._check_names(labels, "label_name_length_max", limits.label_name_length_max)
        if len(labels) > limits.label_count_max:
            raise PermanentError(
                f"{self._target.url} exposes {metric} with {len(labels)} labels, "
                f"more than label_count_max {limits.label_count_max}"
            )
        for name, value in labels.items():
            if len(value) > limits.label_value_length_max:
                raise PermanentError(
                    f"{self._target.url} exposes {metric} with a label {name} of {len(value)} characters, "
                    f"more than label_value_length_max {limits.label_value_length_max}"
                )

    def _check_names(self, names: Iterable[str], setting: str, length_max: int) -> None:
        for name in names:
            if len(name) > length_max:
                raise PermanentError(
                    f"{self._target.url} exposes the name {name[:40]}... of {len(name)} characters, "
                    f"more than {setting} {length_max}"
                )
