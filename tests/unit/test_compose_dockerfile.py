"""The Dockerfile names what is really there."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()


def _stages() -> dict[str, list[str]]:
    stages: dict[str, list[str]] = {}
    for line in LINES:
        match = re.fullmatch(r"FROM (\S+) AS (\S+)", line)
        if match:
            current = stages.setdefault(match[2], list(stages.get(match[1], [])))
        else:
            current.append(line)
    return stages


def _copied_from_context() -> list[str]:
    sources = []
    for line in LINES:
        words = line.split()
        if words[0] == "COPY" and not words[1].startswith("--from="):
            sources += words[1:-1]
    return sources


def test_every_copied_path_exists_and_reaches_the_build() -> None:
    sources = _copied_from_context()
    assert "main.py" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        allowed = {f"!{source.rstrip('/')}", f"!{source}*.txt"}
        assert allowed & set(IGNORED), f"{source} is kept out by .dockerignore"


def test_every_package_of_the_project_is_copied() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = {f"{pattern.rstrip('*')}/" for pattern in setuptools["packages"]["find"]["include"]}
    modules = {f"{module}.py" for module in setuptools["py-modules"]}
    assert packages | modules <= set(_copied_from_context())


def test_stages_that_are_named_exist() -> None:
    stages = _stages()
    assert set(stages) == {"build", "runtime", "function", "worker"}
    named = set(re.findall(r"--from=(\S+)", "\n".join(LINES)))
    assert named <= set(stages)


@pytest.mark.parametrize("stage", ["function", "worker"])
def test_final_images_run_without_privileges_and_build_tools(stage: str) -> None:
    lines = _stages()[stage]
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1].isdigit()
    assert int(users[-1]) > 0
    runs = " ".join(line for line in lines if line.startswith("RUN "))
    assert not re.search(r"\b(pip|apt|apt-get|gcc|make)\b", runs)


def test_worker_image_starts_the_console_command() -> None:
    lines = _stages()["worker"]
    entry = json.loads(next(line for line in lines if line.startswith("ENTRYPOINT ")).removeprefix("ENTRYPOINT "))
    command = json.loads(next(line for line in lines if line.startswith("CMD ")).removeprefix("CMD "))
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert entry == ["reviewmill"]
    assert scripts["reviewmill"] == "reviewmill:main"
    import reviewmill  # noqa: PLC0415 - after the script that names it

    assert command[0] in reviewmill.COMMANDS


def test_pinned_packages_have_hashes_and_name_no_index() -> None:
    for name in ("worker", "worker-signing", "function"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        assert not re.search(r"^--(index|extra-index|find-links|trusted)|://", text, re.MULTILINE), name
        pins = re.findall(r"^[A-Za-z0-9_.-]+==.*(?:\n +--hash=.*)+", text, re.MULTILINE)
        assert len(pins) == len(re.findall(r"^[A-Za-z0-9_.-]+==", text, re.MULTILINE)) > 10


def test_build_backend_is_found_among_the_pinned_packages() -> None:
    run = next(line for line in LINES if "backend.txt" in line and "sed" in line)
    assert "/^setuptools==/" in run
    development = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    assert re.search(r"^setuptools==\S+ \\\n( +--hash=\S+( \\)?\n)+", development, re.MULTILINE)


def test_server_of_the_function_is_installed() -> None:
    assert importlib.util.find_spec("functions_framework") is not None
    pinned = (ROOT / "requirements" / "function.txt").read_text(encoding="utf-8")
    assert re.search(r"^functions-framework==", pinned, re.MULTILINE)
