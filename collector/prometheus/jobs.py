"""What makes targets of addresses: the settings of a job, its rules, and the names that its targets get.

Rules see what Prometheus' see: ``__address__``, ``__scheme__``, ``__metrics_path__``, ``__param_<name>`` and labels; what begins with
two underscores is gone after them. A source is named by the label ``instance``, which is the address; where rules write something else there,
as the name of a node that has many pods, the address is named as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from collector.prometheus.relabeling import Relabeling, RelabelRule
from collector.prometheus.targets import Target, parse_target

_PARAM = "__param_"


class Job:
    """One job. Safe for threads."""

    def __init__(
        self,
        name: str,
        rules: Sequence[RelabelRule],
        *,
        scheme: str,
        path: str,
        params: Mapping[str, str | list[str]],
        labels: Mapping[str, str],
        source: Callable[[str, str], str] | None = None,
    ) -> None:
        """``name`` is the label ``job`` unless rules write it.

        ``source`` names the source of a target by its place, ``<instance>`` or ``<instance>@<address>``, and its path; by default
        ``prometheus/<name>/<place>``, with the path where it is not ``/metrics``.
        """
        self._name = name
        self._source = source
        self._relabeling = Relabeling(rules)
        self._scheme, self._path = scheme, path
        first = {name: text if isinstance(text, str) else text[0] for name, text in params.items() if text}
        self._known = {f"{_PARAM}{name}": text for name, text in first.items()} | {"job": name, **labels}

    def written(self, text: str, labels: Mapping[str, str]) -> Target | None:
        """A target of what somebody wrote, ``host:port`` or a URL; None where rules drop it. Raises ValueError naming it if it is none."""
        plain = parse_target(text, job=self._name, scheme=self._scheme, path=self._path)
        scheme = plain.url.partition("://")[0]
        return self._target(plain.instance, scheme, plain.path, labels)

    def found(self, address: str, labels: Mapping[str, str]) -> Target | None:
        """A target of an address that discovery found. Raises ValueError where rules leave none."""
        return self._target(address, self._scheme, self._path, labels)

    def _target(self, address: str, scheme: str, path: str, labels: Mapping[str, str]) -> Target | None:
        known = {"__address__": address, "__scheme__": scheme, "__metrics_path__": path}
        left = self._relabeling.apply({**known, **self._known, **labels})
        if left is None:
            return None
        path = "/" + left.get("__metrics_path__", "/metrics").removeprefix("/")
        scheme = left.get("__scheme__", "http")
        target = parse_target(left.get("__address__", ""), job=self._name, scheme=scheme, path=path)
        shown = {name: text for name, text in left.items() if not name.startswith("__")}
        shown.setdefault("instance", target.instance)
        params = tuple((name.removeprefix(_PARAM), text) for name, text in left.items() if name.startswith(_PARAM))
        instance = shown["instance"]
        place = instance if instance == target.instance else f"{instance}@{target.instance}"
        if self._source is not None:
            source = self._source(place, path)
        else:
            source = f"prometheus/{self._name}/{place}" + ("" if path == "/metrics" else path)
        return replace(target, source=source, labels=tuple(shown.items()), params=params)
