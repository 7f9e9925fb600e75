"""What an endpoint of a monitor asks for and cannot be given, because the agent reads no secrets, goes through no proxy and opens no file for others.

Such an endpoint is not scraped at all: without what it asks for it would fail at best, and at worst something else would be read in
its place. What is said names the field and what can be done.
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.prometheus.monitors.documents import Endpoint, Spec

#: Where a pod's own token and its cluster's authority are ("Accessing the Kubernetes API from a Pod").
_OWN = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_FILE = f"{_OWN}/token"
CA_FILE = f"{_OWN}/ca.crt"

_NO_SECRETS = "the agent reads no secrets and no ConfigMaps"
_BY_FILE = "mount the token into the agent and scrape the targets by a source of kind prometheus with bearer_token_file"
_ALLOW = "set service_account_token: true to allow it"
_KNOWN_TLS = {"insecureSkipVerify", "serverName", "caFile", "ca", "cert", "keySecret"}


def unmet(spec: Spec, endpoint: Endpoint, *, own_token: bool) -> str:
    """The first thing that cannot be given, with its reason and a way out; empty where all can.

    ``own_token`` says whether the token of the agent's service account may be sent.
    """
    return (
        next(_credentials(endpoint, own_token), "")
        or next(_tls(endpoint, own_token), "")
        or next(_others(spec, endpoint), "")
    )


def _credentials(endpoint: Endpoint, own_token: bool) -> Iterator[str]:
    # A reference without a name is none: older versions of the operator write one everywhere.
    if endpoint.bearer_token_secret.get("name"):
        yield f"bearerTokenSecret asks for a secret, and {_NO_SECRETS}: {_BY_FILE}"
    if (endpoint.authorization.get("credentials") or {}).get("name"):
        yield f"authorization asks for a secret, and {_NO_SECRETS}: {_BY_FILE}"
    for name, given in (("basicAuth", endpoint.basic_auth), ("oauth2", endpoint.oauth2)):
        if given:
            yield f"{name} asks for a secret, and {_NO_SECRETS}: let the targets be read without, or by a token in a file"
    if endpoint.bearer_token_file and endpoint.bearer_token_file != TOKEN_FILE:
        yield f"bearerTokenFile asks for {endpoint.bearer_token_file}, and the agent opens no files for monitors: {_BY_FILE}"
    if endpoint.bearer_token_file and not own_token:
        yield f"bearerTokenFile asks for the agent's own token: {_ALLOW}"


def _tls(endpoint: Endpoint, own_token: bool) -> Iterator[str]:
    given = endpoint.tls_config
    for name in ("ca", "cert"):
        for sort in ("secret", "configMap"):
            if ((given.get(name) or {}).get(sort) or {}).get("name"):
                way = (
                    "mount it and scrape by a source of kind prometheus with ca_file"
                    if name == "ca"
                    else "let the targets be read without"
                )
                yield f"tlsConfig.{name}.{sort} is asked for, and {_NO_SECRETS}: {way}"
    if (given.get("keySecret") or {}).get("name"):
        yield f"tlsConfig.keySecret is asked for, and {_NO_SECRETS}: let the targets be read without"
    if given.get("caFile") and given["caFile"] != CA_FILE:
        yield f"tlsConfig.caFile asks for {given['caFile']}, and the agent opens no files for monitors: scrape by a source of kind prometheus with ca_file"
    if given.get("caFile") and not own_token:
        yield f"tlsConfig.caFile asks for a file of the agent's service account: {_ALLOW}"
    for name, value in given.items():
        if name not in _KNOWN_TLS and value:
            yield f"tlsConfig.{name} cannot be set: let the targets be read without it"


def _others(spec: Spec, endpoint: Endpoint) -> Iterator[str]:
    if endpoint.proxy_url or endpoint.proxy_from_environment:
        yield "proxyUrl asks for a proxy, and the agent goes through none: let it reach the targets directly"
    if spec.attach_metadata.node:
        yield "attachMetadata.node asks for labels of nodes, which targets do not get: leave it out, and rules that use them"
    if spec.scrape_class:
        yield f"scrapeClass {spec.scrape_class} stands in a Prometheus object, which is not read: write what it sets into the monitor"
