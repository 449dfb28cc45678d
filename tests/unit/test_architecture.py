"""The rules of the layout, read from the source: who may import whom, and how long a file may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "cloud", "worker", "publisher", "training", "emulator")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_LINES = 300

# Who may import what of ours; some folders and files are parts of their own.
ALLOWED = {
    "schemas": {"schemas"},
    "cloud": {"cloud"},
    "worker.core": {"schemas", "worker.core"},
    "worker.settings": {"worker.core"},
    # Both the job and `verify` read Parquet; nothing else of the worker is shared so.
    "worker.parquet": {"schemas", "cloud", "worker.core", "worker.parquet"},
    "worker": {"schemas", "cloud", "worker.core", "worker.settings", "worker.parquet", "worker"},
    "publisher": {"schemas", "cloud", "worker.core", "worker.settings", "worker.parquet", "publisher"},
    "training": {"schemas", "cloud", "worker.core", "worker.settings", "training"},
    "emulator.servers": {"emulator.servers"},
    "emulator": {"emulator", "emulator.servers", "schemas", "cloud", "worker.core", "worker.settings"},
    "schemas.nesting": set(),
}
ANYONES = {"schemas.nesting"}
"""Whoever decodes JSON of others asks this first, the servers and ports that know no document of ours, too."""
IMPURE = {
    "google", "functions_framework", "cloudevents", "flask", "os", "time", "socket", "subprocess", "pathlib",
    "tempfile", "shutil", "logging", "random", "sklearn", "skops", "pandas", "pickle", "joblib", "urllib", "http",
}  # fmt: skip
UNSAFE = {"pickle", "joblib", "cloudpickle", "dill", "marshal", "shelve"}


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


SPECIAL = {
    "schemas.nesting": "schemas.nesting",
    "worker.core": "worker.core",
    "worker.settings": "worker.settings",
    "worker.parquet": "worker.parquet",
    "emulator.pubsub": "emulator.servers",
    "emulator.storage": "emulator.servers",
}


def part(name: str) -> str:
    """Return the part a module belongs to."""
    return next(
        (mine for prefix, mine in SPECIAL.items() if name == prefix or name.startswith(prefix + ".")),
        name.partition(".")[0],
    )


# All but the developer's command that writes the schemas into the checkout.
PURE = [p for p in FILES if part(module(p)) in {"worker.core", "schemas", *ANYONES} and module(p) != "schemas.generate"]


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_point_inward(path: Path) -> None:
    ours = {part(name) for name in imports(path) if name.partition(".")[0] in (*PACKAGES, "main", "reviewmill")}
    assert ours - ANYONES <= ALLOWED[part(module(path))]


@pytest.mark.parametrize("path", PURE, ids=module)
def test_the_core_is_pure(path: Path) -> None:
    roots = {name.partition(".")[0] for name in imports(path)}
    assert not roots & IMPURE
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "open" not in called


@pytest.mark.parametrize("path", FILES, ids=module)
def test_nothing_unpickles(path: Path) -> None:
    assert not {name.partition(".")[0] for name in imports(path)} & UNSAFE


@pytest.mark.parametrize("path", FILES, ids=module)
def test_no_file_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_there_are_no_import_cycles() -> None:
    names = {module(path): path for path in FILES}
    graph = {
        name: {known for target in imports(path) for known in (target, target.rpartition(".")[0]) if known in names}
        - {name}
        for name, path in names.items()
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in graph[name]:
                # A package's __init__ holds a docstring only, so an edge to it is no edge.
                if names[target].name != "__init__.py":
                    visit(target, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_most_of_the_worker_is_core() -> None:
    def lines(paths: list[Path]) -> int:
        return sum(len(path.read_text().splitlines()) for path in paths)

    every = [path for path in FILES if module(path).partition(".")[0] in {"worker", "schemas"}]
    assert lines(PURE) >= 0.6 * lines(every)
