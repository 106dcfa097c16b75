"""Rows of 16-bit lanes for compiled code.

numba has no vector type, and its loop vectorizer asks before every loop whether arrays overlap, which for a hundred
lanes costs as much as the loop. Here a value of type `Lanes` is a few vectors of 32 signed 16-bit integers that stay in
registers; how many is known when a function is compiled, from a tuple of that length. Narrower machines get the same
code in pieces.

All functions can be called from `@njit` code only. None checks bounds; arithmetic wraps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

__all__ = [
    "LANES",
    "add",
    "any_negative",
    "any_zero",
    "exclusive_or",
    "filled",
    "load",
    "magnitude",
    "maximum",
    "minimum",
    "quarter",
    "store",
    "store_bits",
    "store_signs",
    "subtract",
    "subtract_to_zero",
    "take_sign",
    "where_equal",
]

LANES = 32
"""Lanes of one vector: 512 bits."""

# Objects of numba's and LLVM's builders, which have no types of their own.
_Numba: TypeAlias = Any
_Value: TypeAlias = Any
_Build: TypeAlias = Callable[..., Any]

_VECTOR = ir.VectorType(ir.IntType(16), LANES)
_BYTES = ir.VectorType(ir.IntType(8), LANES)
_MASK = ir.IntType(LANES)


class _Lanes(types.Type):
    """numba's type of `count` vectors."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"Lanes({count})")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: _Numba, numba_type: _Lanes) -> None:
        super().__init__(manager, numba_type, ir.ArrayType(_VECTOR, numba_type.count))


def _constant(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * LANES)


def _library(builder: _Numba, name: str, *operands: _Value) -> _Value:
    """Call of an LLVM intrinsic on vectors."""
    signature = ir.FunctionType(_VECTOR, [operand.type for operand in operands])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.{name}.v{LANES}i16")
    return builder.call(function, operands)


def _magnitude(builder: _Numba, value: _Value) -> _Value:
    return _library(builder, "abs", value, ir.Constant(ir.IntType(1), 0))  # 0: the smallest integer is defined, too


def _each(build: _Build) -> _Build:
    """Code that applies `build(builder, vector, …)` to every vector of the operands."""

    def codegen(context: _Numba, builder: _Numba, signature: _Numba, operands: _Value) -> _Value:
        result = operands[0]
        for part in range(signature.return_type.count):
            vectors = [builder.extract_value(operand, part) for operand in operands]
            result = builder.insert_value(result, build(builder, *vectors), part)
        return result

    return codegen


def _any(combine: _Build, relation: str, build: _Build) -> _Build:
    """Code that combines `build` of all vectors and asks whether some lane stands in `relation` to 0."""

    def codegen(context: _Numba, builder: _Numba, signature: _Numba, operands: _Value) -> _Value:
        parts = [builder.extract_value(operands[0], part) for part in range(signature.args[0].count)]
        total = build(builder, parts[0])
        for part in parts[1:]:
            total = combine(builder, total, build(builder, part))
        lanes = builder.bitcast(builder.icmp_signed(relation, total, _constant(0)), _MASK)
        return builder.icmp_unsigned("!=", lanes, ir.Constant(_MASK, 0))

    return codegen


def _address(
    context: _Numba, builder: _Numba, array_type: _Numba, array: _Value, index: _Value, part: int, kind: ir.Type
) -> _Value:
    """Where vector `part` of a row stands that begins at element `index` of a one-dimensional contiguous array."""
    data = context.make_array(array_type)(context, builder, array).data
    at = builder.add(index, ir.Constant(index.type, part * LANES))
    return builder.bitcast(builder.gep(data, [at]), kind.as_pointer())


@intrinsic
def load(typing_context: _Numba, array: _Numba, index: _Numba, lanes: _Numba) -> _Numba:
    """Row of int16 `array` that begins at `index` (uint64); `lanes` is a tuple as long as the row has vectors."""
    row = _Lanes(len(lanes))

    def codegen(context: _Numba, builder: _Numba, signature: _Numba, operands: _Value) -> _Value:
        result = ir.Constant(ir.ArrayType(_VECTOR, row.count), ir.Undefined)
        for part in range(row.count):
            at = _address(context, builder, signature.args[0], operands[0], operands[1], part, _VECTOR)
            result = builder.insert_value(result, builder.load(at, align=2), part)
        return result

    return row(array, types.uint64, lanes), codegen


@intrinsic
def store(typing_context: _Numba, array: _Numba, index: _Numba, row: _Numba) -> _Numba:
    """Write a row into int16 `array` from `index` (uint64) on."""

    def codegen(context: _Numba, builder: _Numba, signature: _Numba, operands: _Value) -> _Value:
        for part in range(row.count):
            at = _address(context, builder, signature.args[0], operands[0], operands[1], part, _VECTOR)
            builder.store(builder.extract_value(operands[2], part), at, align=2)
        return context.get_dummy_value()

    return types.void(array, types.uint64, row), codegen


def _store_bytes(row: _Lanes, build: _Build) -> _Build:
    def codegen(context: _Numba, builder: _Numba, signature: _Numba, operands: _Value) -> _Value:
        for part in range(row.count):
            at = _address(context, builder, signature.args[0], operands[0], operands[1], part, _BYTES)
            value = build(builder, builder.extract_value(operands[2], part))
            builder.store(builder.trunc(value, _BYTES), at, align=1)
        return context.get_dummy_value()

    return codegen


@intrinsic
def store_bits(typing_context: _Numba, array: _Numba, index: _Numba, row: _Numba) -> _Numba:
    """Write a row of small values into uint8 `array` from `index` (uint64) on."""
    return types.void(array, types.uint64, row), _store_bytes(row, lambda builder, value: value)


@intrinsic
def store_signs(typing_context: _Numba, array: _Numba, index: _Numba, row: _Numba) -> _Numba:
    """Write 1 where a lane is negative, else 0, into uint8 `array` from `index` (uint64) on."""
    fifteen = _constant(15)
    return types.void(array, types.uint64, row), _store_bytes(row, lambda builder, value: builder.lshr(value, fifteen))


@intrinsic
def filled(typing_context: _Numba, value: _Numba, lanes: _Numba) -> _Numba:
    """Row with one int16 in every lane; `lanes` is a tuple as long as the row has vectors."""
    row = _Lanes(len(lanes))

    def codegen(context: _Numba, builder: _Numba, signature: _Numba, operands: _Value) -> _Value:
        undefined = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(undefined, operands[0], ir.Constant(ir.IntType(32), 0))
        vector = builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(ir.IntType(32), LANES), None))
        result = ir.Constant(ir.ArrayType(_VECTOR, row.count), ir.Undefined)
        for part in range(row.count):
            result = builder.insert_value(result, vector, part)
        return result

    return row(types.int16, lanes), codegen


@intrinsic
def add(typing_context: _Numba, a: _Numba, b: _Numba) -> _Numba:
    """Sum a + b."""
    return a(a, b), _each(lambda builder, x, y: builder.add(x, y))


@intrinsic
def subtract(typing_context: _Numba, a: _Numba, b: _Numba) -> _Numba:
    """Difference a - b."""
    return a(a, b), _each(lambda builder, x, y: builder.sub(x, y))


@intrinsic
def subtract_to_zero(typing_context: _Numba, a: _Numba, b: _Numba) -> _Numba:
    """Difference max(a - b, 0) of values that are not negative."""
    return a(a, b), _each(lambda builder, x, y: _library(builder, "usub.sat", x, y))


@intrinsic
def exclusive_or(typing_context: _Numba, a: _Numba, b: _Numba) -> _Numba:
    """Bitwise a ^ b; its sign is the product of the signs."""
    return a(a, b), _each(lambda builder, x, y: builder.xor(x, y))


@intrinsic
def minimum(typing_context: _Numba, a: _Numba, b: _Numba) -> _Numba:
    """The smaller of a and b."""
    return a(a, b), _each(lambda builder, x, y: _library(builder, "smin", x, y))


@intrinsic
def maximum(typing_context: _Numba, a: _Numba, b: _Numba) -> _Numba:
    """The larger of a and b."""
    return a(a, b), _each(lambda builder, x, y: _library(builder, "smax", x, y))


@intrinsic
def magnitude(typing_context: _Numba, a: _Numba) -> _Numba:
    """Magnitude |a|."""
    return a(a), _each(_magnitude)


@intrinsic
def quarter(typing_context: _Numba, a: _Numba) -> _Numba:
    """Quarter a / 4, rounded down, of values that are not negative."""
    return a(a), _each(lambda builder, x: builder.lshr(x, _constant(2)))


@intrinsic
def take_sign(typing_context: _Numba, a: _Numba, b: _Numba) -> _Numba:
    """Negated a where b is negative, else a."""

    def build(builder: _Numba, x: _Value, y: _Value) -> _Value:
        negative = builder.ashr(y, _constant(15))
        return builder.sub(builder.xor(x, negative), negative)

    return a(a, b), _each(build)


@intrinsic
def where_equal(typing_context: _Numba, a: _Numba, b: _Numba, then: _Numba, otherwise: _Numba) -> _Numba:
    """Lanes of `then` where a and b are equal, else of `otherwise`."""

    def build(builder: _Numba, x: _Value, y: _Value, yes: _Value, no: _Value) -> _Value:
        return builder.select(builder.icmp_signed("==", x, y), yes, no)

    return a(a, b, then, otherwise), _each(build)


@intrinsic
def any_negative(typing_context: _Numba, a: _Numba) -> _Numba:
    """Whether some lane is negative."""
    return types.boolean(a), _any(lambda builder, x, y: builder.or_(x, y), "<", lambda builder, x: x)


@intrinsic
def any_zero(typing_context: _Numba, a: _Numba) -> _Numba:
    """Whether some lane is zero."""
    return types.boolean(a), _any(lambda builder, x, y: _library(builder, "umin", x, y), "==", _magnitude)
