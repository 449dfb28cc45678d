"""What the kernel's functions for rows need beside `kernel_intrinsics`: marks of 64 bytes at a time, and copies."""

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from worker.core.kernel_intrinsics import Pointer, inlined, pointer_to
from worker.core.kernel_row_layout import LANES

LF, CR, ASCII = 10, 13, 127

_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, LANES)
_bytes = pointer_to(types.uint8)
_int = types.int64


def _emit_marks(builder: Any, source: Any, at: Any, delimiter: Any, quote: Any) -> Any:  # noqa: ANN401 - llvmlite ships no types
    address = builder.bitcast(builder.gep(source, [at], source_etype=_BYTE), _VECTOR.as_pointer())
    text = builder.load(address, align=1, typ=_VECTOR)
    marks = None
    for wanted in (ord("\n"), ord("\r"), 0):
        found = builder.icmp_unsigned("==", text, ir.Constant(_VECTOR, [wanted] * LANES))
        marks = found if marks is None else builder.or_(marks, found)
    for number in (delimiter, quote):
        marks = builder.or_(marks, _equal(builder, text, number))
    return builder.bitcast(marks, ir.IntType(64))


def _emit_equal(builder: Any, source: Any, at: Any, wanted: Any) -> Any:  # noqa: ANN401 - see above
    address = builder.bitcast(builder.gep(source, [at], source_etype=_BYTE), _VECTOR.as_pointer())
    return builder.bitcast(_equal(builder, builder.load(address, align=1, typ=_VECTOR), wanted), ir.IntType(64))


def _equal(builder: Any, text: Any, wanted: Any) -> Any:  # noqa: ANN401 - see above
    """Return which of 64 bytes equal the lowest byte of a number."""
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), builder.trunc(wanted, _BYTE), ir.IntType(64)(0))
    all_lanes = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))
    return builder.icmp_unsigned("==", text, all_lanes)


def _emit_copy(builder: Any, target: Any, to: Any, source: Any, at: Any, size: Any) -> Any:  # noqa: ANN401, PLR0917 - see above
    into = builder.gep(target, [to], source_etype=_BYTE)
    out_of = builder.gep(source, [at], source_etype=_BYTE)
    copy = builder.module.declare_intrinsic("llvm.memcpy", [into.type, out_of.type, ir.IntType(64)])
    builder.call(copy, [into, out_of, size, ir.IntType(1)(0)])


@intrinsic
def _marks64(typing_context: Any, source: Any, at: Any, delimiter: Any, quote: Any) -> Any:  # noqa: ANN401, ARG001 - Numba's protocol
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001 - Numba's protocol
        return _emit_marks(builder, *arguments)

    return _int(_bytes, _int, _int, _int), generate


@intrinsic
def _equal64(typing_context: Any, source: Any, at: Any, wanted: Any) -> Any:  # noqa: ANN401, ARG001 - Numba's protocol
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001 - Numba's protocol
        return _emit_equal(builder, *arguments)

    return _int(_bytes, _int, _int), generate


@intrinsic
def _copy(typing_context: Any, target: Any, to: Any, source: Any, at: Any, size: Any) -> Any:  # noqa: ANN401, ARG001, PLR0917 - Numba's protocol
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001 - Numba's protocol
        _emit_copy(builder, *arguments)
        return context.get_dummy_value()

    return types.none(_bytes, _int, _bytes, _int, _int), generate


marks64: Callable[[Pointer, int, int, int], int] = cast("Any", _marks64)
"""marks64(source, at, delimiter, quote): the mask of line ends, NUL, delimiters and quotes among 64 bytes."""
equal64: Callable[[Pointer, int, int], int] = cast("Any", _equal64)
"""equal64(source, at, byte): the mask of the bytes among 64 that are this one."""
copy: Callable[[Pointer, int, Pointer, int, int], None] = cast("Any", _copy)
"""copy(target, to, source, at, size): copy bytes that do not overlap."""


@inlined
def marks_near_the_end(source: Pointer, at: int, size: int, delimiter: int, quote: int) -> int:
    """Return as `marks64`, of fewer than 64 bytes."""
    marks = 0
    for number in range(size):
        byte = source[at + number]
        if byte == LF or byte == CR or byte == 0 or byte == delimiter or byte == quote:  # noqa: PLR1714, SIM109 - tuples are slow to compile
            marks |= 1 << number
    return marks


@inlined
def high_near_the_end(source: Pointer, at: int, size: int) -> int:
    """Return 1 where one of fewer than 64 bytes is not ASCII."""
    for number in range(size):
        if source[at + number] > ASCII:
            return 1
    return 0
