"""A real API server and its etcd, on loopback: what objects are admitted by, and who may do what.

Both run as envtest runs them: no kubelet, no controllers, RBAC as the only authorizer. The API server is killed and started
again on the same port with the same data, as when its machine is replaced.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import httpx
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.fakes.certificates import Authority
from tests.kube import assets
from tests.servers.process import ServerProcess, free_ports

ISSUER = "https://kubernetes.default.svc"
Manifest = dict[str, Any]


class Etcd(ServerProcess):
    """What an API server keeps its objects in."""

    name = "etcd"

    def __init__(self) -> None:
        super().__init__()
        client, peer = free_ports(2)
        self.url = f"http://127.0.0.1:{client}"
        self._peer = f"http://127.0.0.1:{peer}"

    def command(self) -> list[str]:
        return [
            assets.program("etcd"),
            f"--data-dir={self.directory}/data",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={self._peer}",
            f"--initial-advertise-peer-urls={self._peer}",
            f"--initial-cluster=default={self._peer}",
            # What it keeps is gone with the test: the disk is left in peace.
            "--unsafe-no-fsync",
        ]

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).json().get("health") == "true"
        except (httpx.HTTPError, ValueError):
            return False


class ApiServer(ServerProcess):
    """The API server of a cluster that has no nodes of its own."""

    name = "kube-apiserver"

    def __init__(self, etcd: Etcd, flags: Sequence[str] = (), hosts: Sequence[str] = ("127.0.0.1",)) -> None:
        """It listens on the first of ``hosts``; the others are names of it."""
        super().__init__()
        (port,) = free_ports(1)
        self._host = hosts[0]
        self.url = f"https://{hosts[0]}:{port}"
        self._flags = (f"--secure-port={port}", f"--etcd-servers={etcd.url}", *flags)
        # Beside the directory of the process, which is prepared when it starts.
        self.authority = Authority(self.directory / "pki", "cluster-ca")
        self.serving = self.authority.issue("kube-apiserver", hosts=hosts)
        self.admin = self.authority.issue("admin", organization="system:masters")
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        self.accounts_key = self.directory / "pki" / "accounts.key"
        self.accounts_key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
        self.accounts_file = self.directory / "pki" / "accounts.pub"
        self.accounts_file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def command(self) -> list[str]:
        return [
            assets.program("kube-apiserver"),
            f"--bind-address={self._host}",
            f"--client-ca-file={self.authority.file}",
            f"--tls-cert-file={self.serving.cert_file}",
            f"--tls-private-key-file={self.serving.key_file}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={self.accounts_file}",
            f"--service-account-signing-key-file={self.accounts_key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            *(flag.format(admin=self.admin) for flag in self._flags),
        ]

    def client(self) -> httpx.Client:
        """Speaks for who may do everything."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        context.load_cert_chain(self.admin.cert_file, self.admin.key_file)
        return httpx.Client(base_url=self.url, verify=context, timeout=30)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return client.get("/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


class ControlPlane:
    """etcd and the API server; a context manager, or ``start`` and ``stop``."""

    def __init__(self, folder: Path) -> None:
        """``folder`` takes the kubeconfigs."""
        self.folder = folder
        self.etcd = Etcd()
        self.api = self.server()

    def server(self) -> ApiServer:
        """The API server, before it is started."""
        return ApiServer(
            self.etcd,
            [
                "--authorization-mode=RBAC",
                "--endpoint-reconciler-type=none",
                # Pods are written by hand, into namespaces whose service accounts no controller makes.
                "--disable-admission-plugins=ServiceAccount",
            ],
        )

    def __enter__(self) -> Self:
        try:
            self.etcd.start()
            self.api.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self.etcd.close()

    @property
    def kubeconfig(self) -> Path:
        """Speaks for who may do everything."""
        pair = self.api.admin
        return self._config("admin", {"client-certificate": str(pair.cert_file), "client-key": str(pair.key_file)})

    def account(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a service account, as a kubelet asks for it and mounts it into a pod."""
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3_600}}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = self.folder / f"{namespace}-{name}.token"
        token.write_text(self.post(path, asked)["status"]["token"])
        return self._config(f"{namespace}-{name}", {"tokenFile": str(token)})

    def post(self, path: str, document: Manifest) -> Manifest:
        """Create something, or fail with what the server says."""
        with self.api.client() as client:
            answer = client.post(path, json=document)
        assert answer.status_code in (200, 201), f"{path}: {answer.text}"
        found: Manifest = answer.json()
        return found

    def kubectl(self, *arguments: str, config: Path | None = None, given: str = "") -> subprocess.CompletedProcess[str]:
        """What kubectl says to a command."""
        command = [assets.program("kubectl"), f"--kubeconfig={config or self.kubeconfig}", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, input=given)

    def apply(self, *documents: Manifest) -> None:
        """Have objects be as the documents say; the test fails where they are refused."""
        done = self.kubectl("apply", "--server-side", "-f", "-", given=yaml.safe_dump_all(documents))
        assert done.returncode == 0, done.stderr

    def get(self, *arguments: str) -> Any:
        """Objects, as JSON."""
        done = self.kubectl("get", *arguments, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def member(self, name: str, common_name: str, organization: str = "") -> Path:
        """A kubeconfig with a certificate, as what belongs to a cluster has it."""
        pair = self.api.authority.issue(common_name, organization=organization, file=name)
        return self._config(name, {"client-certificate": str(pair.cert_file), "client-key": str(pair.key_file)})

    def _config(self, name: str, user: Manifest) -> Path:
        path = self.folder / f"{name}.kubeconfig"
        cluster = {"server": self.api.url, "certificate-authority": str(self.api.authority.file)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": user}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path
