"""Looks through code for doors to the outside: whatever could open a connection, start a program or write a file.

A door has a home, the one module that may use it. For libraries that is what ``.importlinter`` protects; for the standard library and
for what a library must not be used for, it stands here. What is not the standard library and is known neither here nor there is
taken for a door: somebody has to judge it first. The code is looked at as written, so that a path that no test runs is seen, too.
"""

from __future__ import annotations

import ast
import configparser
import sys
from collections.abc import Iterator
from pathlib import Path

#: Modules of the standard library that connect, listen, run programs or load code, and where they may be used.
STANDARD = {
    "_posixsubprocess": (),
    "_socket": (),
    "asyncio": (),
    "asyncore": (),
    "code": (),
    "concurrent.futures.process": (),
    "ctypes": ("agent.memory",),
    "fcntl": ("agent.spool",),
    "ftplib": (),
    "http.client": (),
    "http.server": (),
    "imaplib": (),
    "importlib": ("collector.registry",),
    "logging.config": (),
    "logging.handlers": (),
    "mailbox": (),
    "multiprocessing": (),
    "nntplib": (),
    "pdb": (),
    "poplib": (),
    "pty": (),
    "runpy": (),
    "shelve": (),
    "shutil": (),
    "smtpd": (),
    "smtplib": (),
    "socket": ("collector.deadline", "collector.cluster.client"),
    "socketserver": (),
    "sqlite3": ("agent.spool",),
    "subprocess": (),
    "telnetlib": (),
    "tempfile": (),
    "urllib.request": (),
    "webbrowser": (),
    "wsgiref": (),
    "xmlrpc": (),
}
#: Parts of these that are no door.
HARMLESS = {"importlib.metadata", "ctypes.c_int", "ctypes.c_size_t", "socket.inet_aton"}
#: Libraries that connect and that no layer protects by itself.
CONNECTING = {"httpcore": ("collector.deadline",)}
#: Libraries that open nothing by themselves, but for what ``FORBIDDEN`` names.
LIBRARIES = {
    "click",
    "cryptography",
    "google",
    "isal",
    "numpy",
    "prometheus_client",
    "pyarrow",
    "pydantic",
    "re2",
    "yaml",
}
OUR_OWN = {"agent", "collector", "meterbook"}
#: What the operating system can do to others.
_OF_OS = (
    "abort chflags chmod chown execl execle execlp execv execve execvp execvpe fork forkpty ftruncate lchown link makedirs mkdir "
    "mkfifo mknod popen posix_spawn posix_spawnp putenv pwrite remove removedirs rename renames replace rmdir setxattr spawnl "
    "spawnlp spawnv spawnve spawnvp startfile symlink system truncate unlink utime write"
)
#: Names, and all below them, and where they may be used.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "numpy.DataSource": (),
    "numpy.save": (),
    "numpy.savetxt": (),
    "numpy.savez": (),
    "numpy.memmap": (),
    "prometheus_client.bridge": (),
    "prometheus_client.delete_from_gateway": (),
    "prometheus_client.exposition": (),
    "prometheus_client.push_to_gateway": (),
    "prometheus_client.pushadd_to_gateway": (),
    "prometheus_client.start_http_server": (),
    "prometheus_client.start_wsgi_server": (),
    "prometheus_client.write_to_textfile": (),
    "pyarrow.OSFile": (),
    "pyarrow.csv": (),
    "pyarrow.dataset": (),
    "pyarrow.feather": (),
    "pyarrow.flight": (),
    "pyarrow.fs": (),
    "pyarrow.orc": (),
    "pyarrow.output_stream": (),
    "pyarrow.parquet": ("collector.datastore.mapping.rowgroups",),
    "ssl.get_server_certificate": (),
    "yaml.unsafe_load": (),
    **{f"os.{name}": () for name in _OF_OS.split()},
    "os.open": ("collector.readonly", "agent.enrolment", "agent.spool"),
    "os.fdopen": ("collector.readonly", "agent.enrolment"),
}
BUILT_IN = {"__import__", "compile", "eval", "exec", "open"}
#: Of httpx, what is no client: outside of its home it may be named, but no client made.
HTTPX_HOMES = ("collector.readonly", "collector.deadline")
HTTPX_VALUES = {"httpx.InvalidURL", "httpx.Response", "httpx.URL"}
#: Methods that write: to a client, and to a file system, where only an agent keeps files of its own.
VERBS = {"delete", "options", "patch", "post", "put"}
ASKING = {"build_request", "request", "stream"}
WRITING = {
    "chmod",
    "hardlink_to",
    "mkdir",
    "rename",
    "rmdir",
    "symlink_to",
    "touch",
    "unlink",
    "write_bytes",
    "write_text",
}
OWN_FILES = ("agent.enrolment", "agent.spool", "agent.witness")


def homes(importlinter: Path) -> dict[str, tuple[str, ...]]:
    """The libraries that ``.importlinter`` protects, and who may import each."""
    parser = configparser.ConfigParser()
    parser.read(importlinter)
    return {
        module: tuple(parser[section]["allowed_importers"].split())
        for section in parser.sections()
        if parser[section].get("type") == "protected"
        for module in parser[section]["protected_modules"].split()
    }


def offences(module: str, source: str, libraries: dict[str, tuple[str, ...]]) -> list[str]:
    """What a module uses and is not at home with, each with its line. ``libraries`` are those of :func:`homes`."""
    tree = ast.parse(source)
    found = [*_imports(module, tree, libraries), *_uses(module, tree), *_calls(module, tree)]
    return [f"{module}:{line} {what}" for line, what in sorted(set(found))]


def _is_home(module: str, homes: tuple[str, ...]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)


def _is_below(name: str, other: str) -> bool:
    return name == other or name.startswith(f"{other}.")


def _imported(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, str]]:
    """Each import: the statement, the whole name, and the name that it gets here."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield node, each.name, each.asname or each.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                yield node, f"{node.module}.{each.name}", each.asname or each.name


def _imports(module: str, tree: ast.Module, libraries: dict[str, tuple[str, ...]]) -> Iterator[tuple[int, str]]:
    for node, name, _ in _imported(tree):
        top = name.partition(".")[0]
        if isinstance(node, ast.ImportFrom) and (node.level or name.endswith(".*")):
            yield node.lineno, f"{name}: imports are absolute and name what they import"
        if any(_is_below(name, each) for each in HARMLESS):
            continue
        for door, allowed in (*STANDARD.items(), *CONNECTING.items(), *FORBIDDEN.items(), *libraries.items()):
            if _is_below(name, door) and not _is_home(module, allowed):
                yield node.lineno, f"{name}: {door} is used in {', '.join(allowed) or 'no place'} alone"
        if top not in sys.stdlib_module_names and top not in {
            *LIBRARIES,
            *OUR_OWN,
            *CONNECTING,
            *(each.partition(".")[0] for each in libraries),
        }:
            yield node.lineno, f"{name}: nobody has said yet what {top} may be used for"


def _uses(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names of modules that are used, annotations aside: naming the type of a client makes none."""
    known = {
        alias: name if isinstance(node, ast.ImportFrom) or alias != name.partition(".")[0] else alias
        for node, name, alias in _imported(tree)
    }
    types = {id(inner) for each in _annotations(tree) for inner in ast.walk(each)}
    for node in ast.walk(tree):
        if id(node) in types or not isinstance(node, ast.Attribute | ast.Name):
            continue
        name = _dotted(node)
        first, _, rest = name.partition(".")
        whole = ".".join(filter(None, (known.get(first, ""), rest))) if first in known else ""
        for door, allowed in FORBIDDEN.items():
            if whole and _is_below(whole, door) and not _is_home(module, allowed):
                yield node.lineno, f"{whole}: is used in {', '.join(allowed) or 'no place'} alone"
        if _is_below(whole, "httpx") and whole not in ("httpx", *HTTPX_VALUES) and not _is_home(module, HTTPX_HOMES):
            yield node.lineno, f"{whole}: clients are made in {HTTPX_HOMES[0]} alone"
        if isinstance(node, ast.Name) and node.id in BUILT_IN and node.id not in known:
            yield node.lineno, f"{node.id}: files are opened by collector.readonly, and code is not made from text"


def _calls(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Methods by their names, whatever they are called on."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name = node.func.attr
        first = node.args[0] if node.args else None
        given = [
            each.value for each in (*node.args, *(one.value for one in node.keywords)) if isinstance(each, ast.Constant)
        ]
        if name in VERBS:
            yield node.lineno, f".{name}(): nothing is written to what is observed"
        if name in ASKING and not (isinstance(first, ast.Constant) and first.value == "GET"):
            yield node.lineno, f".{name}(): only GET is asked, and it is said where it is asked"
        if name in WRITING and not _is_home(module, OWN_FILES):
            yield node.lineno, f".{name}(): files are written in {', '.join(OWN_FILES)} alone"
        modes = [
            each for each in given if isinstance(each, str) and set(each) <= set("rwxabt+U") and set(each) & set("wxa+")
        ]
        if name == "open" and modes and not _is_home(module, OWN_FILES):
            yield node.lineno, f".open({modes[0]!r}): files are written in {', '.join(OWN_FILES)} alone"


def _annotations(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            yield node.returns


def _dotted(node: ast.expr) -> str:
    """``a.b.c`` of names alone; empty for what is computed."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""
