"""The kernel's source to object code, in memory. Takes about ten seconds and imports Numba: never on a request's path.

Numba turns the source into LLVM assembly; this module links the entry points into one module, makes everything else
internal so that LLVM can remove what Numba adds for exceptions, and emits code that calls nothing outside itself.
"""

import platform
from collections.abc import Mapping
from typing import Any, Final

from llvmlite import binding as llvm

ALLOWED_SYMBOLS: Final = frozenset({"memset", "memcpy", "memmove", "sqrt"})
"""What the code may call: the C library, which every process has. Linking code with any other symbol would fail."""

_OPTIMIZATION: Final = 3
_LEVELS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "x86_64": ("x86-64-v3", frozenset({"avx2", "bmi", "bmi2", "fma", "lzcnt", "popcnt", "movbe"})),
    "AMD64": ("x86-64-v3", frozenset({"avx2", "bmi", "bmi2", "fma", "lzcnt", "popcnt", "movbe"})),
}
"""Instruction sets by machine, not by CPU: an image built on one host runs on every host of its cloud."""


def processor() -> str:
    """Return the instruction set that the kernel is compiled for on this machine, as LLVM names it."""
    level, needed = _LEVELS.get(platform.machine(), ("generic", frozenset[str]()))
    features = llvm.get_host_cpu_features()
    return level if all(features.get(feature) for feature in needed) else "generic"


def compile_kernel() -> bytes:
    """Return the kernel's object code for this machine. Raises ImportError without Numba.

    It takes half the time where the environment has NUMBA_OPT=0: LLVM optimises here, after everything is linked.
    """
    from worker.core.kernel_source import compile_to_assembly  # noqa: PLC0415 - imports Numba, which takes a second

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = _link(compile_to_assembly())
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=processor(), opt=_OPTIMIZATION, reloc="pic", codemodel="default"
    )
    tuning = llvm.create_pipeline_tuning_options(speed_level=_OPTIMIZATION)
    passes = llvm.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(module, passes)
    _check_symbols(module)
    code: bytes = machine.emit_object(module)
    return code


def _link(assembly: Mapping[str, tuple[str, str]]) -> Any:  # noqa: ANN401 - llvmlite ships no types
    """Link the entry points, given as name → (name in the assembly, assembly), and hide everything else."""
    module = llvm.parse_assembly("")
    for _, text in assembly.values():
        module.link_in(llvm.parse_assembly(text))
    public = {native: name for name, (native, _) in assembly.items()}
    for function in module.functions:
        if function.is_declaration:
            continue
        function.linkage = "external" if function.name in public else "internal"
        function.name = public.get(function.name, function.name)
    for variable in module.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    return module


def _check_symbols(module: Any) -> None:  # noqa: ANN401 - llvmlite ships no types
    """Refuse code that would call the interpreter: linking it would end the process."""
    called = {function.name for function in module.functions if function.is_declaration}
    foreign = {name for name in called if not name.startswith("llvm.")} - ALLOWED_SYMBOLS
    if foreign:
        raise RuntimeError(f"the kernel's code calls {sorted(foreign)}")
