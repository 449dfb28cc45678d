"""The machine's size, for the head of every table; a table; a JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OUT = Path("out/bench")


def describe_machine() -> dict[str, Any]:
    """Return cores, memory in GiB, processor and Python version."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = [line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines() if "model name" in line]
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "processor": names[0] if names else platform.processor(),
        "python": platform.python_version(),
    }


def machine_line() -> str:
    """Return the machine's size as one line."""
    machine = describe_machine()
    return f"{machine['cores']} cores, {machine['memory_gib']} GiB, {machine['processor']}, Python {machine['python']}"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table that is aligned for a terminal too."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    print(f"\n{title}\n")
    for row in (header, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")


def write_json(name: str, figures: Any) -> None:  # noqa: ANN401 - any JSON document
    """Write the figures, with the machine's size, to out/bench/<name>.json."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps({"machine": describe_machine(), "figures": figures}, indent=2) + "\n")
    print(f"\nwritten to {path}")


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
