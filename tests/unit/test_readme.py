"""README.md says what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reviewmill
from worker.settings import describe_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def between(name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*)<!-- /{name} -->", README, re.DOTALL)
    assert found, f"README.md has lost its <!-- {name} --> marks"
    return found[1].strip()


def settings_table() -> str:
    rows = [f"| `{variable}` | `{default}` | {doc} |" for variable, default, doc in describe_settings()]
    return "\n".join(["| Variable | Default | Meaning |", "| --- | --- | --- |", *rows])


def commands_table() -> str:
    return "\n".join(f"| `reviewmill {name}` | {summary} |" for name, (_, summary) in reviewmill.COMMANDS.items())


def test_the_settings_table_is_the_settings() -> None:
    assert between("settings") == settings_table()


def test_the_commands_table_is_the_commands() -> None:
    assert between("commands") == commands_table()


def test_the_demo_is_shown_with_every_step_in_order() -> None:
    demo = between("demo")
    steps = re.findall(r"^== (\d+)\. (.+)$", demo, re.MULTILINE)
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    # The times at its end are of the same steps.
    timed = re.findall(r"^ +[\d.]+ s  (.+)$", demo, re.MULTILINE)
    assert [title for _, title in steps] + ["in all"] == timed
    source = (ROOT / "emulator" / "demo.py").read_text()
    assert len(steps) == source.count("with steps.timed(")


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", README, re.MULTILINE))
def test_the_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_the_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
