"""Asking a kubelet, directly and for reading only.

Three pages are known here, with the permission that each needs ("Kubelet authentication/authorization", section "Kubelet
authorization"); anything else is refused before it leaves. Requests go to the node itself with the service account's token: the way
through the API server would need ``nodes/proxy``, with which whoever has it runs commands in every pod.
"""

from __future__ import annotations

import ssl

import httpx

from collector.cluster.client import KubernetesApi
from collector.cluster.permissions import Permission
from collector.errors import PermanentError, WriteRefused, kind_of
from collector.kubernetes.config import KubernetesConfig
from collector.kubernetes.objects import Node
from collector.readonly import http_client, within

SUMMARY, RESOURCE, CADVISOR = "/stats/summary", "/metrics/resource", "/metrics/cadvisor"
#: What a page needs.
NEEDS = {
    SUMMARY: Permission("", "nodes/stats", ("get",)),
    RESOURCE: Permission("", "nodes/metrics", ("get",)),
    CADVISOR: Permission("", "nodes/metrics", ("get",)),
}
#: The kubelet's own, should a node not tell its port.
_PORT = 10_250


class Kubelets:
    """The kubelets of one cluster. Safe for threads."""

    def __init__(self, config: KubernetesConfig, api: KubernetesApi) -> None:
        """Raises PermanentError where ``kubelet_ca_file`` cannot be used."""
        self._config = config
        self._credentials = api.credentials
        verify: bool | str | ssl.SSLContext = api.credentials.ssl_context
        if config.kubelet_tls == "skip":
            verify = False
        elif config.kubelet_ca_file is not None:
            verify = str(config.kubelet_ca_file)
        try:
            self._client = http_client(
                timeout_s=config.deadline_s, verify=verify, headers={"User-Agent": "meterbook-agent"}
            )
        except OSError as error:
            raise PermanentError(
                f"kubelet_ca_file {config.kubelet_ca_file} cannot be used: {error.strerror or error}"
            ) from error

    def read(self, node: Node, page: str) -> bytes:
        """A page of a node's kubelet. Raises SourceError."""
        if page not in NEEDS:
            raise WriteRefused(f"GET {page} of a kubelet refused: it is none of {', '.join(NEEDS)}")
        url = self._url(node, page)
        authorization = self._credentials.authorization()
        answer = self._get(url, authorization)
        if answer[0] == 401 and self._credentials.renew(authorization):
            answer = self._get(url, self._credentials.authorization())
        status, body = answer
        if status == 200:
            return body
        if status in (401, 403):
            need = NEEDS[page]
            word = "does not know our token" if status == 401 else "does not let us read it"
            raise PermanentError(f"{url} {word} (status {status}): grant {', '.join(need.verbs)} on {need.resource}")
        raise kind_of(status)(f"{url} answered status {status}, not 200")

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _get(self, url: str, authorization: str | None) -> tuple[int, bytes]:
        headers = {} if authorization is None else {"Authorization": authorization}
        with self._client.stream("GET", url, headers={**headers, "Accept-Encoding": "identity"}) as answer:
            body = within(url, answer.iter_raw(), "body_bytes_max", self._config.body_bytes_max)
            return answer.status_code, bytes(body)

    def _url(self, node: Node, page: str) -> str:
        for wanted in self._config.address_types:
            for kind, address in node.addresses:
                if kind == wanted and address:
                    host = f"[{address}]" if ":" in address else address
                    port = self._config.kubelet_port or node.port or _PORT
                    try:
                        return str(httpx.URL(f"https://{host}:{port}{page}"))
                    except httpx.InvalidURL as error:
                        raise PermanentError(f"node {node.name} has the address {address!r}: {error}") from None
        raise PermanentError(f"node {node.name} has no address of type {', '.join(self._config.address_types)}")
