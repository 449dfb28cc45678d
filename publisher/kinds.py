"""A command with kinds, such as `publish review` and `publish csv`: its help, and the way to the kind's own command."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from publisher.console import DONE, WRONG_USE, say


@dataclass(frozen=True, slots=True)
class Kinds:
    """What such a command is made of."""

    prog: str
    purpose: str
    modules: Mapping[str, tuple[str, str]]
    """For each kind the module whose `main` runs it, and what it is."""
    examples: Sequence[str]

    def run(self, argv: list[str]) -> int:
        """Run the kind that argv names and return its exit status."""
        if not argv or argv[0] in {"-h", "--help"}:
            print(self._usage())
            return DONE if argv else WRONG_USE
        if argv[0] not in self.modules:
            say(f"{self.prog}: there is no kind {argv[0]!r}. Choose one of: {', '.join(self.modules)}.")
            return WRONG_USE
        run: Callable[[list[str]], int] = importlib.import_module(self.modules[argv[0]][0]).main
        return run(argv[1:])

    def _usage(self) -> str:
        kinds = "\n".join(f"  {kind:<9}{what}" for kind, (_, what) in self.modules.items())
        examples = "\n".join(f"  {example}" for example in self.examples)
        return (
            f"usage: {self.prog} KIND [ARGUMENT ...]\n\n{self.purpose}\n\nkinds:\n{kinds}\n\n"
            f"examples:\n{examples}\n\n'{self.prog} KIND --help' explains a kind."
        )
