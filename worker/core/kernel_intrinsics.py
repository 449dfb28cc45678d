"""What Numba's Python lacks for the kernel: pointers from addresses, 64 bytes at a time, bit counts, prefetching.

Only the kernel's build imports this file (and with it Numba); scoring never does. All integers are int64, because
Numba turns a mix of int64 and uint64 into a float; `shift_right` is the one operation where the sign matters.
Vectors of 64 bytes are LLVM's: it cuts them to the registers of the machine, so the source has no CPU in it.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])
Builder = Any  # llvmlite and Numba ship no types
Pointer = Any  # a CPointer inside the kernel; indexing reads and writes

_BYTE = ir.IntType(8)
_WORD = ir.IntType(64)
_LANES = 64
_VECTOR = ir.VectorType(_BYTE, _LANES)


def inlined(function: Function) -> Function:
    """Compile a helper into its callers: no interpreter, no exceptions, no reference counts."""
    return cast("Function", numba.njit(forceinline=True, error_model="numpy", boundscheck=False)(function))


def helper(function: Function) -> Function:
    """Compile a helper as `inlined`, but leave to LLVM whether it becomes part of its callers."""
    return cast("Function", numba.njit(error_model="numpy", boundscheck=False)(function))


def pointer_to(element: Any) -> Any:  # noqa: ANN401 - Numba's types have no type
    """Return Numba's type of a pointer to elements of a type."""
    return types.CPointer(element)  # type: ignore[no-untyped-call]  # Numba's types have no type


def _pointer_of(element: Any) -> Callable[[int], Pointer]:  # noqa: ANN401 - Numba's types have no type
    @intrinsic
    def as_pointer(typing_context: Any, address: Any) -> Any:  # noqa: ANN401, ARG001 - Numba's protocol
        pointer = pointer_to(element)

        def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return pointer(types.int64), generate

    return cast("Callable[[int], Pointer]", as_pointer)


as_uint8 = _pointer_of(types.uint8)
as_uint16 = _pointer_of(types.uint16)
as_uint32 = _pointer_of(types.uint32)
as_int64 = _pointer_of(types.int64)
as_float64 = _pointer_of(types.float64)


def _define(parameters: tuple[Any, ...], result: Any, emit: Callable[..., Any]) -> Callable[..., Any]:  # noqa: ANN401
    """Make a function of the kernel from one that emits its LLVM instructions."""

    def generate(context: Any, builder: Builder, signature: Any, arguments: Any) -> Any:  # noqa: ANN401, ARG001
        value = emit(builder, *arguments)
        return context.get_dummy_value() if value is None else value

    signature = result(*parameters)
    # Numba reads the number of parameters from the function's own signature, hence one definition for each number.
    if len(parameters) == 1:
        return cast("Callable[..., Any]", intrinsic(lambda _context, _a: (signature, generate)))
    if len(parameters) == 2:  # noqa: PLR2004 - two parameters
        return cast("Callable[..., Any]", intrinsic(lambda _context, _a, _b: (signature, generate)))
    if len(parameters) == 3:  # noqa: PLR2004 - three parameters
        return cast("Callable[..., Any]", intrinsic(lambda _context, _a, _b, _c: (signature, generate)))
    return cast("Callable[..., Any]", intrinsic(lambda _context, _a, _b, _c, _d, _e: (signature, generate)))


def _splat(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * _LANES)


def _vector_at(builder: Builder, pointer: Any, index: Any) -> Any:  # noqa: ANN401
    address = builder.gep(pointer, [index], source_etype=_BYTE)
    return builder.bitcast(address, _VECTOR.as_pointer())


def _load_vector(builder: Builder, pointer: Any, index: Any) -> Any:  # noqa: ANN401
    return builder.load(_vector_at(builder, pointer, index), align=1, typ=_VECTOR)


def _between(builder: Builder, vector: Any, first: str, last: str) -> Any:  # noqa: ANN401
    shifted = builder.sub(vector, _splat(ord(first)))
    return builder.icmp_unsigned("<=", shifted, _splat(ord(last) - ord(first)))


def _emit_fold(builder: Builder, source: Any, at: Any, target: Any, to: Any, case_bit: Any) -> Any:  # noqa: ANN401, PLR0917 - compiled code has positions only
    """Copy 64 bytes with ASCII upper case folded and non-word bytes blanked; the mask says which are word bytes."""
    text = _load_vector(builder, source, at)
    bit = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), builder.trunc(case_bit, _BYTE), _WORD(0))
    bits = builder.shuffle_vector(bit, bit, ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES))
    upper = _between(builder, text, "A", "Z")
    folded = builder.select(upper, builder.or_(text, bits), text)
    word = builder.or_(upper, _between(builder, text, "a", "z"))
    word = builder.or_(word, _between(builder, text, "0", "9"))
    word = builder.or_(word, builder.icmp_unsigned("==", text, _splat(ord("_"))))
    blanked = builder.select(word, folded, _splat(ord(" ")))
    builder.store(blanked, _vector_at(builder, target, to), align=1)
    return builder.bitcast(word, _WORD)


def _emit_high(builder: Builder, source: Any, at: Any) -> Any:  # noqa: ANN401
    return builder.bitcast(builder.icmp_signed("<", _load_vector(builder, source, at), _splat(0)), _WORD)


def _emit_nonblank(builder: Builder, source: Any, at: Any) -> Any:  # noqa: ANN401
    text = _load_vector(builder, source, at)
    return builder.bitcast(builder.icmp_unsigned("!=", text, _splat(ord(" "))), _WORD)


def _emit_load(builder: Builder, pointer: Any, index: Any) -> Any:  # noqa: ANN401
    address = builder.bitcast(builder.gep(pointer, [index], source_etype=_BYTE), _WORD.as_pointer())
    return builder.load(address, align=1, typ=_WORD)


def _emit_prefetch(builder: Builder, pointer: Any, index: Any) -> Any:  # noqa: ANN401
    """Ask for the cache line of an int64 array's element: for reading, to be kept in every cache."""
    address = builder.bitcast(builder.gep(pointer, [index], source_etype=_WORD), _BYTE.as_pointer())
    number = ir.IntType(32)
    function_type = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), number, number, number])
    function = builder.module.declare_intrinsic("llvm.prefetch", [_BYTE.as_pointer()], function_type)
    builder.call(function, [address, number(0), number(3), number(1)])


def _emit_call(builder: Builder, function: Any, argument: Any) -> Any:  # noqa: ANN401
    double = ir.DoubleType()
    pointer = builder.inttoptr(function, ir.FunctionType(double, [double]).as_pointer())
    return builder.call(pointer, [argument])


def _emit_word_call(builder: Builder, function: Any, left: Any, right: Any) -> Any:  # noqa: ANN401
    pointer = builder.inttoptr(function, ir.FunctionType(_WORD, [_WORD, _WORD]).as_pointer())
    return builder.call(pointer, [left, right])


def _emit_address(builder: Builder, pointer: Any, index: Any) -> Any:  # noqa: ANN401
    return builder.ptrtoint(builder.gep(pointer, [index], source_etype=_WORD), _WORD)


_bytes = pointer_to(types.uint8)
_words = pointer_to(types.int64)
_int = types.int64

fold64: Callable[[Pointer, int, Pointer, int, int], int] = _define((_bytes, _int, _bytes, _int, _int), _int, _emit_fold)
"""fold64(source, at, target, to, case_bit): blank and fold 64 bytes, return the mask of word bytes (ASCII only)."""
high64: Callable[[Pointer, int], int] = _define((_bytes, _int), _int, _emit_high)
"""high64(source, at): the mask of the bytes of 64 that are not ASCII."""
nonblank64: Callable[[Pointer, int], int] = _define((_bytes, _int), _int, _emit_nonblank)
"""nonblank64(source, at): the mask of the bytes of 64 that are not spaces."""
load64: Callable[[Pointer, int], int] = _define((_bytes, _int), _int, _emit_load)
"""load64(source, at): eight bytes from any address, the first lowest: little-endian, as all supported machines."""
prefetch: Callable[[Pointer, int], None] = _define((_words, _int), types.none, _emit_prefetch)
"""prefetch(array, index): start to bring an element into the cache."""
call_double: Callable[[int, float], float] = _define((_int, types.float64), types.float64, _emit_call)
"""call_double(address, argument): call a C function of one double."""
call_words: Callable[[int, int, int], int] = _define((_int, _int, _int), _int, _emit_word_call)
"""call_words(address, left, right): call a C function of two addresses or integers that returns one."""
address_in: Callable[[Pointer, int], int] = _define((_words, _int), _int, _emit_address)
"""address_in(array, index): the address of an element."""
shift_right: Callable[[int, int], int] = _define(
    (_int, _int), _int, lambda builder, value, bits: builder.lshr(value, bits)
)
"""shift_right(value, bits): shift that fills with zeros, for bits below 64."""
trailing_zeros: Callable[[int], int] = _define(
    (_int,), _int, lambda builder, value: builder.cttz(value, ir.IntType(1)(0))
)
"""trailing_zeros(value): the position of the lowest set bit, 64 for 0."""
count_ones: Callable[[int], int] = _define((_int,), _int, lambda builder, value: builder.ctpop(value))
"""count_ones(value): how many bits are set."""
