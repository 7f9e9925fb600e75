"""A whole cluster of one node, in network, mount and process namespaces of its own: all of it ends with them.

The control plane as for other tests, but with every admission plugin, the controllers, the scheduler, kube-proxy, DNS, containerd and
a kubelet. ``make test-cluster`` makes the namespaces. The node's address is that of a bridge, on which pods are as well.
Network policies are admitted, but nothing enforces them: the bridge plugin of CNI does not.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx
import yaml

from tests.kube import assets
from tests.kube.controlplane import ApiServer, ControlPlane
from tests.servers.process import ServerProcess

NODE = "node-a"
ADDRESS = "10.77.0.1"
#: The image of the loads; without arguments it holds a pod together.
PAUSE = "meterbook.test/load:1"
PODS = "10.77.0.0/16"
SERVICES, KUBERNETES = "10.96.0.0/16", "10.96.0.1"
_CNI = Path("/usr/lib/cni")


class Program(ServerProcess):
    """One program of the cluster, which is there when something says so."""

    def __init__(self, name: str, command: Sequence[str], ready: str, context: httpx.Client | None = None) -> None:
        """``ready`` is a URL that is to answer 200, or the path of a socket."""
        self.name = name
        super().__init__()
        self._command = [each.replace("{directory}", str(self.directory)) for each in command]
        self._ready = ready.replace("{directory}", str(self.directory))
        self._client = context

    def command(self) -> list[str]:
        return self._command

    def answers(self) -> bool:
        if not self._ready.startswith("http"):
            with socket.socket(socket.AF_UNIX) as attempt:
                return attempt.connect_ex(self._ready) == 0
        try:
            ask = self._client.get if self._client is not None else httpx.get
            return ask(self._ready, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


class Node(ControlPlane):
    """The cluster; a context manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._running = ExitStack()
        # A kubelet asks here what belongs to which pod, whatever its configuration says.
        self.containerd = Path("/run/containerd/containerd.sock")

    def server(self) -> ApiServer:
        return ApiServer(
            self.etcd,
            [
                "--authorization-mode=Node,RBAC",
                f"--advertise-address={ADDRESS}",
                # Logs and commands in pods: the name of the node is nobody's to look up.
                "--kubelet-preferred-address-types=InternalIP",
                "--kubelet-client-certificate={admin.cert_file}",
                "--kubelet-client-key={admin.key_file}",
            ],
            hosts=[ADDRESS, KUBERNETES, "kubernetes.default.svc"],
        )

    def __enter__(self) -> Self:
        for command in (
            "ip link set lo up",
            "ip link add pods type bridge",
            f"ip address add {ADDRESS}/16 dev pods",
            "ip link set pods up",
            # Addresses of Services are nobody's: they are changed before a packet leaves.
            f"ip route add {SERVICES} dev pods",
            f"mkdir -p {self.containerd.parent}",
            f"mount -t tmpfs tmpfs {self.containerd.parent}",
            "sysctl -q -w net.ipv4.ip_forward=1",
        ):
            subprocess.run(command.split(), check=True)
        with ExitStack() as running:
            super().__enter__()
            running.callback(super().__exit__)
            self._containerd(running)
            self._controllers(running)
            self._kubelet(running)
            # It ends where its node changes, and so where there is none yet.
            self._proxy(running)
            self._running = running.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def load(self, archive: Path) -> None:
        """Give the node an image."""
        self._images("import", str(archive))

    def pulled(self, image: str, name: str) -> None:
        """Have an image of the node be known by the name that a registry gave it, as if it had been pulled."""
        # This is what containerd calls an image whose name says nothing of where it is from.
        self._images("tag", "--force", f"docker.io/library/{image}", name)

    def _images(self, *arguments: str) -> None:
        command = ["ctr", f"--address={self.containerd}", "--namespace=k8s.io", "images", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def _containerd(self, running: ExitStack) -> None:
        networks = self.folder / "networks"
        networks.mkdir()
        local = {"type": "host-local", "subnet": PODS, "rangeStart": "10.77.1.0"}
        bridge = {"type": "bridge", "bridge": "pods", "isDefaultGateway": True, "hairpinMode": True, "ipam": local}
        plugins = [bridge, {"type": "loopback"}]
        (networks / "pods.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": plugins}))
        config = self.folder / "containerd.toml"
        config.write_text(
            "version = 2\n"
            f'root = "{self.folder}/images"\nstate = "{self.folder}/state"\n'
            f'[grpc]\naddress = "{self.containerd}"\n'
            '[plugins."io.containerd.grpc.v1.cri"]\n'
            # Root of a virtual machine may not always make a process less likely to be killed.
            f'sandbox_image = "{PAUSE}"\nrestrict_oom_score_adj = true\n'
            # Nothing is fetched from anywhere: what is not there is an error at once.
            f'[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "{_CNI}"\nconf_dir = "{networks}"\n'
        )
        program = shutil.which("containerd") or "containerd"
        running.enter_context(Program("containerd", [program, f"--config={config}"], str(self.containerd)))

    def _controllers(self, running: ExitStack) -> None:
        manager = self.member("kube-controller-manager", "system:kube-controller-manager")
        scheduler = self.member("kube-scheduler", "system:kube-scheduler")
        local = httpx.Client(verify=False)
        running.enter_context(local)
        for name, flags, port in (
            (
                "kube-controller-manager",
                [
                    f"--kubeconfig={manager}",
                    f"--service-account-private-key-file={self.api.accounts_key}",
                    f"--root-ca-file={self.api.authority.file}",
                    "--use-service-account-credentials",
                ],
                10_257,
            ),
            ("kube-scheduler", [f"--kubeconfig={scheduler}"], 10_259),
        ):
            command = [assets.program(name), "--leader-elect=false", *flags]
            running.enter_context(Program(name, command, f"https://127.0.0.1:{port}/healthz", local))
        self._dns(running)

    def _proxy(self, running: ExitStack) -> None:
        proxy = self.member("kube-proxy", "system:kube-proxy")
        command = [
            assets.program("kube-proxy"),
            f"--kubeconfig={proxy}",
            f"--hostname-override={NODE}",
            f"--cluster-cidr={PODS}",
            "--proxy-mode=iptables",
            # Two pods on one bridge would answer each other past what was changed on the way.
            "--masquerade-all",
            "--conntrack-max-per-core=0",
        ]
        running.enter_context(Program("kube-proxy", command, "http://127.0.0.1:10249/healthz"))

    def _dns(self, running: ExitStack) -> None:
        names = self.member("coredns", "system:coredns", "system:masters")
        corefile = self.folder / "Corefile"
        corefile.write_text(
            f"cluster.local {{\n bind {ADDRESS}\n ready {ADDRESS}:8181\n errors\n"
            f" kubernetes cluster.local {{\n  kubeconfig {names} it\n }}\n}}\n"
        )
        command = [assets.program("coredns"), f"-conf={corefile}"]
        running.enter_context(Program("coredns", command, f"http://{ADDRESS}:8181/ready"))

    def _kubelet(self, running: ExitStack) -> None:
        pair = self.api.authority.issue("kubelet-serving", hosts=[ADDRESS, NODE])
        config = self.folder / "kubelet.yaml"
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.api.authority.file)},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "clusterDNS": [ADDRESS],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": f"unix://{self.containerd}",
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "100Mi", "imagefs.available": "100Mi"},
            "failCgroupV1": False,
            "failSwapOn": False,
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": str(self.folder / "logs"),
            "resolvConf": "",
            "tlsCertFile": str(pair.cert_file),
            "tlsPrivateKeyFile": str(pair.key_file),
        }
        config.write_text(yaml.safe_dump(settings))
        member = self.member("kubelet", f"system:node:{NODE}", "system:nodes")
        command = [
            assets.program("kubelet"),
            f"--config={config}",
            f"--kubeconfig={member}",
            f"--hostname-override={NODE}",
            f"--node-ip={ADDRESS}",
            f"--root-dir={self.folder}/kubelet",
        ]
        running.enter_context(Program("kubelet", command, "http://127.0.0.1:10248/healthz"))
        for what in ("create", "condition=Ready"):
            waited = self.kubectl("wait", f"--for={what}", f"node/{NODE}", "--timeout=120s")
            assert waited.returncode == 0, waited.stderr


def lacking() -> list[str]:
    """What a machine lacks for a cluster of its own."""
    found = assets.missing(assets.CLUSTER)
    found += [
        name for name in ("containerd", "runc", "ctr", "ip", "iptables", "conntrack") if shutil.which(name) is None
    ]
    if not (_CNI / "bridge").exists():
        found.append("the plugins of CNI")
    if os.geteuid() != 0:
        found.append("root")
    if "METERBOOK_NODE" not in os.environ:
        found.append("namespaces of its own, which 'make test-cluster' makes")
    return found
