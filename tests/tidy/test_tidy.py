"""The codebase tests itself: what we agreed on and no linter checks. A failure lists every offender at once."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from collector import registry

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "collector", "ledger", "proto/meterbook")
WRITTEN = (*PACKAGES, "bench", "examples")

LINES_MAX = 400
FUNCTION_LINES_MAX = 70
DOCSTRING_CHARACTERS_MIN = 40
#: Names that say nothing of what is inside.
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "common"}
#: Folders of tests that mirror no package.
OWN_TESTS = {
    "data",
    "e2e",
    "fakes",
    "faults",
    "kill",
    "kube",
    "prometheus",
    "proof",
    "resilience",
    "servers",
    "tidy",
    "upgrade",
    "wire",
}


@cache
def files() -> tuple[Path, ...]:
    """What is, or will be, in the repository, relative to its root; without git, all but hidden folders."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split("\0")
        found = {Path(name) for name in listed if name}
    except (OSError, subprocess.CalledProcessError):
        found = set()
    if not found:
        found = {path.relative_to(ROOT) for path in ROOT.rglob("*")}
        hidden = re.compile(r"\.venv|\.git|\.\w+_cache|\.hypothesis|\.demo|__pycache__|build|dist|.*\.egg-info")
        found = {path for path in found if not any(hidden.fullmatch(part) for part in path.parts)}
    return tuple(sorted(path for path in found if (ROOT / path).is_file()))


def modules(*folders: str) -> list[Path]:
    """Hand-written Python below the folders."""
    python = (path for path in files() if path.suffix == ".py" and "_pb2" not in path.stem)
    return [path for path in python if any(path.is_relative_to(folder) for folder in folders)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))


def text_of(path: Path) -> str:
    """The text of a file; nothing for a binary one."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def dotted(path: Path) -> str:
    """The name under which a module is imported."""
    parts = path.with_suffix("").parts
    return ".".join(part for part in parts if part not in ("proto", "__init__"))


def check_none(offenders: list[str], rule: str) -> None:
    if offenders:
        pytest.fail("\n  ".join([rule, *offenders]), pytrace=False)


def test_there_is_something_to_check() -> None:
    assert {path.parts[0] for path in modules(*PACKAGES)} == {"agent", "collector", "ledger", "proto"}


def test_every_module_says_what_it_is_for() -> None:
    offenders = [
        str(path) for path in modules(*WRITTEN) if len(ast.get_docstring(tree(path)) or "") < DOCSTRING_CHARACTERS_MIN
    ]
    check_none(offenders, f"open with a docstring of {DOCSTRING_CHARACTERS_MIN} characters or more:")


def test_no_file_is_long() -> None:
    lengths = {path: len(text_of(path).splitlines()) for path in modules(*WRITTEN, "tests")}
    offenders = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > LINES_MAX]
    check_none(offenders, f"no file has more than {LINES_MAX} lines:")


def test_no_function_is_long() -> None:
    offenders = [
        f"{path}:{node.lineno} {node.name}: {lines} lines"
        for path in modules(*WRITTEN, "tests")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]
    check_none(offenders, f"no function has more than {FUNCTION_LINES_MAX} lines:")


def test_every_name_says_something() -> None:
    offenders = [str(path) for path in modules(*WRITTEN, "tests") if EMPTY_NAMES & {*path.parent.parts, path.stem}]
    check_none(offenders, f"nothing is called {', '.join(sorted(EMPTY_NAMES))}:")


def test_no_init_where_it_would_shadow_a_package() -> None:
    """In tests/ it would hide the package of the same name, in proto/ a library's."""
    offenders = [str(path) for path in modules("tests", "proto") if path.name == "__init__.py"]
    check_none(offenders, "no __init__.py below tests/ and proto/:")


def test_annotations_are_never_evaluated() -> None:
    def has_code(path: Path) -> bool:
        return len(tree(path).body) > (ast.get_docstring(tree(path)) is not None)

    def is_postponed(path: Path) -> bool:
        return any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree(path).body)

    offenders = [str(path) for path in modules(*WRITTEN, "tests") if has_code(path) and not is_postponed(path)]
    check_none(offenders, "from __future__ import annotations is missing in:")


def test_every_kind_of_source_loads_and_is_tested() -> None:
    tests = "\n".join(text_of(path) for path in modules("tests/collector"))
    offenders = []
    for kind in registry.kinds():
        try:
            registry.plugin(kind)
        except (ImportError, AttributeError, AssertionError) as error:
            offenders.append(f"{kind}: does not load ({error!r})")
        if not re.search(rf"[\"']{kind}[\"']|kind: {kind}\b", tests):
            offenders.append(f"{kind}: no test in tests/collector names it")
    check_none(offenders, "every kind in collector.registry loads and is tested:")


def models() -> Iterator[type[BaseModel]]:
    """Every pydantic model that the packages define."""
    for path in modules(*PACKAGES):
        if path.stem != "__main__":
            module = importlib.import_module(dotted(path))
            for _, member in inspect.getmembers(module, inspect.isclass):
                if issubclass(member, BaseModel) and member.__module__ == module.__name__:
                    yield member


def test_every_setting_is_described() -> None:
    offenders = [
        f"{model.__module__}.{model.__qualname__}.{name}"
        for model in models()
        for name, field in model.model_fields.items()
        if not field.description
    ]
    check_none(offenders, "every field of a pydantic model has a description:")


def test_what_is_public_is_documented() -> None:
    offenders = [
        f"{path}:{node.lineno} {node.name}"
        for path in modules(*PACKAGES)
        for node in tree(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    check_none(offenders, "every public function and class has a docstring:")


def test_nothing_names_a_developers_machine_or_a_package_registry() -> None:
    """The code runs on any machine, and is installed from whatever registry the machine uses."""
    machine = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/")
    host = re.compile(r"\b(?:py(?:pi|thonhosted)|npmjs|crates)\.[a-z]{2,}\b|--(?:extra-)?index-url", re.IGNORECASE)
    offenders = [
        f"{path}:{number} {found.group()}"
        for path in files()
        for number, line in enumerate(text_of(path).splitlines(), start=1)
        if (found := machine.search(line) or host.search(line))
    ]
    check_none(offenders, "these name a machine or a registry:")


def test_tests_mirror_the_packages() -> None:
    folders = {path.relative_to("tests").parent for path in modules("tests")} - {Path()}
    offenders = [
        f"tests/{folder}"
        for folder in sorted(folders)
        if not OWN_TESTS & set(folder.parts)
        and not (ROOT / folder).is_dir()
        and not (ROOT / folder).with_suffix(".py").is_file()
    ]
    check_none(offenders, "these folders of tests stand for no package:")


def test_the_readme_tells_of_every_make_target() -> None:
    targets = re.findall(r"^([a-z]+):.*## ", text_of(Path("Makefile")), re.MULTILINE)
    assert {"help", "setup", "demo", "test", "check"} <= set(targets)
    readme = text_of(Path("README.md"))
    offenders = [f"make {target}" for target in targets if not re.search(rf"\bmake {target}\b", readme)]
    check_none(offenders, "README.md does not mention:")
