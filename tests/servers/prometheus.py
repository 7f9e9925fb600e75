"""A real Prometheus for the tests: it scrapes and judges every second, and is asked as Grafana and people ask it.

The program comes with Prometheus (the package ``prometheus`` of Debian and others), or from ``make prometheus-assets``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import yaml

from tests.servers.process import ServerProcess, free_ports

PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
SCRAPE_S = 1
_ANSWER_S_MAX = 30.0


class PrometheusServer(ServerProcess):
    """One server, with what it scrapes and the groups of rules that it judges by."""

    name = "Prometheus"

    def __init__(self, scrapes: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__()
        self._scrapes, self._groups = scrapes, groups
        (self._port,) = free_ports(1)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", trust_env=False, timeout=_ANSWER_S_MAX)

    def prepare(self) -> None:
        """Write what is scraped, and the rules."""
        (self.directory / "rules.yaml").write_text(yaml.safe_dump({"groups": list(self._groups)}))
        every = {
            "scrape_interval": f"{SCRAPE_S}s",
            "scrape_timeout": f"{SCRAPE_S}s",
            "evaluation_interval": f"{SCRAPE_S}s",
        }
        config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": list(self._scrapes)}
        (self.directory / "prometheus.yaml").write_text(yaml.safe_dump(config))

    def command(self) -> list[str]:
        """Reachable from this machine alone."""
        assert PROMETHEUS is not None, "there is no prometheus on the PATH: make prometheus-assets"
        return [
            PROMETHEUS,
            f"--config.file={self.directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        ]

    def answers(self) -> bool:
        """Whether it is ready."""
        try:
            return self._client.get("/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def ask(self, path: str, **parameters: Any) -> Any:
        """The data of an answer of the API; the test fails where it is an error, or Prometheus doubts the question."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters).json()
        assert answer["status"] == "success", f"{parameters}: {answer['error']}"
        said = [*answer.get("warnings", ()), *answer.get("infos", ())]
        assert not said, f"{parameters}: {said}"
        return answer["data"]

    def now(self, expression: str) -> list[dict[str, Any]]:
        """The vector of an expression at this moment."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def now_s(self) -> float:
        """Its clock."""
        return float(self.ask("query", query="time()")["result"][1])

    def close(self) -> None:
        """Kill it and remove its data."""
        self._client.close()
        super().close()
