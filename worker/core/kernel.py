"""The compiled kernel as the rest of the core sees it: machine code, loaded, with its entry points as functions.

`worker/core/kernel_compile.py` makes the code once and `worker/kernel_cache.py` keeps it. Loading it needs llvmlite's
linker only, not Numba. The entry points release the interpreter lock while they run, all but `locate_texts`.
"""

import ctypes
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Final, Protocol

_WORD = ctypes.c_int64
_ADDRESS = ctypes.c_void_p
_ROWS = (_ADDRESS, _ADDRESS, _ADDRESS)
_TEXTS = (_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _WORD, _WORD)

ENTRY_POINTS: Final[dict[str, tuple[Any, ...]]] = {
    "insert_words": (_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _WORD, _WORD),
    "insert_ngrams": (_ADDRESS, _ADDRESS, _ADDRESS, _ADDRESS, _WORD, _WORD),
    "transform_texts": (*_TEXTS, _ADDRESS, _ADDRESS, _ADDRESS),
    "score_texts": (*_TEXTS, _ADDRESS),
    "walk_texts": (*_TEXTS, _ADDRESS),
    "locate_texts": (ctypes.py_object, _WORD, _ADDRESS, _ADDRESS, _ADDRESS),
    "logistic": (_ADDRESS, _WORD, _ADDRESS),
    "cut_records": (_ADDRESS, _ADDRESS, _WORD, _ADDRESS),
    "measure_rows": (*_ROWS, _WORD, _ADDRESS),
    "gather_cells": (*_ROWS, _WORD, _WORD, _ADDRESS, _ADDRESS),
    "locate_cells": (_ADDRESS, _WORD, _WORD, _WORD, _WORD, _ADDRESS, _ADDRESS),
    "write_rows": (*_ROWS, _WORD, _ADDRESS, _WORD),
}
"""C parameters of each entry point; all return int64. `kernel_source.py` and `kernel_row*.py` say what they do."""

EntryPoint = Callable[..., int]


class Kernel:
    """The kernel's entry points. Immutable; safe to call from any number of threads."""

    def __init__(self, machine_code: bytes) -> None:
        """Link the object code into the process. `machine_code` must come from a trusted place: it will be run.

        Raises ImportError without llvmlite and RuntimeError for code of another machine.
        """
        from llvmlite import binding as llvm  # noqa: PLC0415 - 60 ms that the plain path does not need

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(machine_code))
        engine.finalize_object()
        self._engine: Final = engine  # owns the memory of the code
        self.insert_words: Final = self._entry("insert_words")
        self.insert_ngrams: Final = self._entry("insert_ngrams")
        self.transform_texts: Final = self._entry("transform_texts")
        self.score_texts: Final = self._entry("score_texts")
        self.walk_texts: Final = self._entry("walk_texts")
        self.locate_texts: Final = self._entry("locate_texts", make_type=ctypes.PYFUNCTYPE)
        self.logistic: Final = self._entry("logistic")
        self.cut_records: Final = self._entry("cut_records")
        self.measure_rows: Final = self._entry("measure_rows")
        self.gather_cells: Final = self._entry("gather_cells")
        self.locate_cells: Final = self._entry("locate_cells")
        self.write_rows: Final = self._entry("write_rows")

    def _entry(self, name: str, make_type: Callable[..., Any] = ctypes.CFUNCTYPE) -> EntryPoint:
        address = self._engine.get_function_address(name)
        if not address:
            raise RuntimeError(f"the kernel's code has no entry point {name}")
        entry_point: EntryPoint = make_type(_WORD, *ENTRY_POINTS[name])(address)
        return entry_point


def why_never() -> str | None:
    """Return, for people, why this machine cannot run the kernel, compiled or not; None if it can."""
    return "llvmlite is not installed (the extra `compiled`)" if find_spec("llvmlite") is None else None


class KernelSupply(Protocol):
    """Hands out the kernel once there is one; until then texts take the plain path."""

    def now(self) -> Kernel | None:
        """Return the kernel if it can be had at once, else None. Never compiles and never waits for a compilation."""

    def reason(self) -> str:
        """Return why there is no kernel now, for people."""
