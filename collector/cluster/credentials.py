"""How a cluster is reached: address, authorities, and credentials that are read anew when they change.

The library ``kubernetes`` knows the ways in which clusters are reached (service accounts, kubeconfigs with tokens,
certificates, token files and exec plugins), and this is the only module that knows it. Its transport is not used: it
cannot be bounded or guarded as :mod:`collector.readonly` is.

Tokens rotate. The library reads that of a service account every minute and runs an exec plugin again when its token
ends, but keeps what it read from a token file for ever. So a 401 makes everything be read again (``renew``), which
covers files, plugins and clocks that jumped alike. Authorities and client certificates are loaded into the one TLS
context that connections are made with, and loaded again when connections fail (``rearm``): an authority that was added
is trusted from then on.

Nothing the library says about a kubeconfig is repeated as it stands, because it quotes whole entries, tokens included.
"""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from collector.cluster.config import ClusterConfig
from collector.errors import PermanentError, SourceError


class Credentials:
    """One cluster's address and what opens it; may be used from any thread.

    Making it and every method raise PermanentError where the files cannot be used.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._configuration = self._loaded()
        #: ``https://10.0.0.1:443``, with a path where the API stands behind one.
        self.host = self._address()
        #: The name in the server's certificate where it is not that of the address.
        self.server_name: str | None = self._configuration.tls_server_name
        #: Trusts the cluster's authorities and holds the client's certificate, if there is one; kubelets take it, too.
        self.ssl_context = self._trusting()
        self._arm()

    def __repr__(self) -> str:
        return f"Credentials({self.host})"

    def authorization(self) -> str | None:
        """The header Authorization as it must be now; None where a client certificate is all there is."""
        with self._lock:
            return self._authorization()

    def renew(self, refused: str | None) -> bool:
        """Read everything again; whether a request whose header ``refused`` was not known is worth another try."""
        with self._lock:
            before = _certificate(self._configuration)
            self._configuration = self._loaded()
            self._arm()
            return self._authorization() != refused or _certificate(self._configuration) != before

    def rearm(self) -> None:
        """Load the files with certificates again, which may have been replaced, for the connections to come."""
        with self._lock:
            self._arm()

    def _authorization(self) -> str | None:
        try:
            header: str | None = self._configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError, ValueError) as error:
            raise self._unusable(error) from None
        if header is None:
            return None
        header = header.strip()
        # Checked here, because a library that refuses the header would print it.
        if not all(0x20 <= ord(mark) <= 0x7E for mark in header):
            raise PermanentError(f"{self._place} holds no token: one line of visible ASCII is needed")
        return header

    @property
    def _place(self) -> str:
        return f"kubeconfig {self._config.kubeconfig}" if self._config.kubeconfig else "service account of this pod"

    def _loaded(self) -> Configuration:
        configuration = Configuration(proxy="", no_proxy="")  # or it would take one from the environment
        try:
            if self._config.kubeconfig is None:
                load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            elif not self._config.kubeconfig.is_file():
                raise PermanentError(f"{self._place} does not exist")
            else:
                load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=str(self._config.kubeconfig),
                    context=self._config.context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
            raise self._unusable(error) from None
        if configuration.proxy:
            raise PermanentError(f"{self._place} asks for a proxy (proxy-url): the API is reached directly only")
        if not configuration.api_key and not configuration.cert_file:
            raise PermanentError(f"{self._place} gives no credentials: neither a token nor a client certificate")
        return configuration

    def _address(self) -> str:
        host = str(self._configuration.host).rstrip("/")
        try:
            url = urlsplit(host)
            plain = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            plain = False
        # Not quoted: what stands before an @ may be a password.
        if not plain or "@" in host or url.query or url.fragment:
            raise PermanentError(f"{self._place} names a server that is not https://host:port")
        return host

    def _trusting(self) -> ssl.SSLContext:
        # Not the default context where the cluster names authorities: it trusts those of the web as well, and from
        # Python 3.13 on refuses authorities made without a key identifier, as those of many clusters are.
        named = bool(self._configuration.ssl_ca_cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if named else ssl.create_default_context()
        if not self._configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _arm(self) -> None:
        """Load the files that are there now into the TLS context."""
        configuration = self._configuration
        try:
            if configuration.ssl_ca_cert:
                self.ssl_context.load_verify_locations(configuration.ssl_ca_cert)
            if configuration.cert_file:
                self.ssl_context.load_cert_chain(configuration.cert_file, configuration.key_file)
        except OSError as error:
            raise PermanentError(
                f"{self._place} names certificates that cannot be used: {error.strerror or type(error).__name__}"
            ) from None

    def _unusable(self, error: Exception) -> SourceError:
        match error:
            case ConfigException():
                reason = str(error).partition("{")[0][:200]
            case OSError():
                reason = error.strerror or type(error).__name__
            case yaml.MarkedYAMLError(problem_mark=mark) if mark is not None:
                reason = f"line {mark.line + 1} is not YAML"
            case _:
                reason = f"it has not the form that is expected ({type(error).__name__})"
        return PermanentError(f"{self._place} cannot be used: {reason}")


def _certificate(configuration: Configuration) -> bytes:
    return Path(configuration.cert_file).read_bytes() if configuration.cert_file else b""
