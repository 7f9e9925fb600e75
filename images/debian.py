"""What comes from Debian: Python, the C libraries under it, time zones and authorities. No shell, no package manager.

Packages are fetched by ``apt-get download``, which checks Debian's signatures and needs no root, and unpacked; no script of theirs is run, so what
such a script would make (the bundle of authorities) is made here. What is told of each package is kept where scanners of images look for it
(``/var/lib/dpkg/status.d``), and so is its copyright.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

RELEASE = "bookworm"
PACKAGES = (
    "base-files",
    "ca-certificates",
    "gcc-12-base",
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libstdc++6",
    "libuuid1",
    "netbase",
    "python3.11-minimal",
    "tzdata",
    "zlib1g",
)
#: What is taken of them, and of that what is not.
_TAKEN = re.compile(
    r"(usr/)?lib(64)?/.*|usr/bin/python3\.11|usr/share/(zoneinfo|common-licenses)/.*|usr/share/doc/.*/copyright"
    r"|usr/share/ca-certificates/.*|etc/(debian_version|os-release|protocols|services|ssl/.*)"
)
_NOT_TAKEN = re.compile(
    # Conversions of character sets: Python has its own.
    r".*/gconv/.*|.*/audit/.*"
    # Time zones twice more, by other names and with leap seconds.
    r"|usr/share/zoneinfo/(posix|right)/.*"
    # Programs and texts of Python that nobody calls here, and its own tests.
    r"|usr/lib/python3[^/]*/(config-|ensurepip|idlelib|lib2to3|pydoc_data|test|tkinter|turtle|sitecustomize|EXTERNALLY-MANAGED).*"
    r"|.*/lib-dynload/(_test|_xx|xx|_ctypes_test|ossaudiodev).*"
    r"|usr/lib/(binfmt\.d|systemd|tmpfiles\.d|sysusers\.d|debug|mime)/.*"
)
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def unpack(rootfs: Path, work: Path) -> dict[str, str]:
    """Put the packages into ``rootfs``; gives their versions. Raises SystemExit where this machine cannot fetch them."""
    _check_release()
    work.mkdir(parents=True, exist_ok=True)
    fetched = subprocess.run(["apt-get", "download", *PACKAGES], cwd=work, capture_output=True, text=True)
    if fetched.returncode:
        raise SystemExit(
            f"{fetched.stderr.strip()}\nDebian's lists may be old: 'apt-get update', as root, renews them."
        )
    versions = {}
    for package in PACKAGES:
        (archive,) = work.glob(f"{package}_*.deb")
        versions[package] = _unpacked(archive, package, rootfs, work / package)
    _make_bundle(rootfs)
    return versions


def architecture() -> str:
    """What Debian calls this machine's, such as amd64."""
    return _told(["dpkg", "--print-architecture"]).strip()


def _check_release() -> None:
    known = Path("/etc/os-release")
    told = known.read_text(encoding="utf-8") if known.is_file() else ""
    if f"VERSION_CODENAME={RELEASE}" not in told:
        raise SystemExit(
            "The images are made of packages of Debian 12 (bookworm), and this is another system: "
            "build images/agent.Dockerfile and images/ledger.Dockerfile with Docker or Podman instead."
        )


def _unpacked(archive: Path, package: str, rootfs: Path, unpacked: Path) -> str:
    subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
    for path in sorted(unpacked.rglob("*")):
        name = path.relative_to(unpacked).as_posix()
        if (path.is_file() or path.is_symlink()) and _TAKEN.fullmatch(name) and not _NOT_TAKEN.fullmatch(name):
            # /lib is /usr/lib, as on every Debian since long.
            target = rootfs / re.sub(r"^lib", "usr/lib", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
    status = rootfs / "var/lib/dpkg/status.d"
    status.mkdir(parents=True, exist_ok=True)
    control = _told(["dpkg-deb", "--field", archive])
    (status / package).write_text(control, encoding="utf-8")
    (status / f"{package}.md5sums").write_text(_told(["dpkg-deb", "--info", archive, "md5sums"]), encoding="utf-8")
    (version,) = re.findall(r"^Version: (\S+)$", control, re.MULTILINE)
    return str(version)


def _make_bundle(rootfs: Path) -> None:
    """All authorities in one file, and the names under which OpenSSL looks for it."""
    authorities = rootfs / "usr/share/ca-certificates"
    bundle = rootfs / _BUNDLE
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(each.read_bytes() for each in sorted(authorities.rglob("*.crt"))))
    shutil.rmtree(authorities)
    openssl = rootfs / "usr/lib/ssl"
    openssl.mkdir(exist_ok=True)
    (openssl / "certs").symlink_to("/etc/ssl/certs")
    (openssl / "cert.pem").symlink_to(f"/{_BUNDLE}")


def _told(command: list[str | Path]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
