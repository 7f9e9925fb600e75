"""Which AWS services are ever asked, by the code itself: only of these the descriptions stay, of four hundred.

Collectors declare every operation (``Operation("s3", ...)``), and no other one leaves the process; clients are opened by name
(``client("sts")``). Both are found in the sources, and so are those that botocore opens to find credentials. A name that is not written
out where it is used is looked up among the constants of its module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

_CALLS = {"Operation", "client", "create_client", "client_creator", "_create_client", "_client_creator"}


def services(folders: Iterable[Path], known: frozenset[str]) -> set[str]:
    """The names of services in the Python files of some folders, of those that are ``known``."""
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    return {name for path in files for name in _named(ast.parse(path.read_bytes()))} & known


def _named(module: ast.Module) -> Iterator[str]:
    constants = {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and _called(node.func) in _CALLS:
            given = [*node.args[:1], *(word.value for word in node.keywords if word.arg in ("service", "service_name"))]
            for each in given:
                value = each.value if isinstance(each, ast.Constant) else constants.get(getattr(each, "id", ""))
                if isinstance(value, str):
                    yield value


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
