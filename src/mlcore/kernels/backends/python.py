"""The leaf functions in plain Python: the sources step by step, for debuggers, line coverage and mutation tests."""

from __future__ import annotations

import math
from functools import wraps
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import ids
from .loader import load

_VECTOR_BYTES = 64
_ROWS = 4
_BITS = {np.float32: (np.uint32, 127, 23), np.float64: (np.uint64, 1023, 52)}


def _tile(rows: int, vectors: int) -> Any:
    def tile(k: int, a: Any, row: int, column: int, b: Any, b_row: int, c: Any, c_row: int, *start: Any) -> None:
        first, first_row, keep = start
        width = vectors * _VECTOR_BYTES // c.itemsize
        for i in range(rows):
            total = first[i * first_row : i * first_row + width].copy() if keep else np.zeros(width, c.dtype)
            for s in range(k):
                total = total + a[i * row + s * column] * b[s * b_row : s * b_row + width]
            c[i * c_row : i * c_row + width] = total

    return tile


def _pairs(lines: int) -> Any:
    """`add_multiple` of each row to some lines of a total, then `normalise`."""

    def add(k: int, stride: int, a: Any, a_low: Any, b: Any, b_low: Any, high: Any, low: Any) -> None:
        lanes = _VECTOR_BYTES // high.itemsize
        for i in range(lines):
            part = slice(i * stride, i * stride + lanes)
            total, rest = high[part].copy(), low[part].copy()
            for s in range(k):
                line = slice(s * stride, s * stride + lanes)
                factor, before = a[s * stride + i], total
                p = factor * b[line]
                total = before + p
                back = total - before
                lost = _product_error(factor, b[line], p) + (factor * b_low[line] + a_low[s * stride + i] * b[line])
                rest = rest + (((before - (total - back)) + (p - back)) + lost)
            high[part] = total + rest
            back = high[part] - total
            low[part] = (total - (high[part] - back)) + (rest - back)

    return add


def _constant(pointer: Any, value: float) -> Any:
    return pointer.dtype.type(value)


def _cast(like: Any, value: float) -> Any:
    return type(like)(value)


def _exponent(x: Any) -> Any:
    return type(x)(math.frexp(x)[1] - 1) if math.isfinite(x) else x


def _mantissa(x: Any) -> Any:
    return type(x)(2.0 * math.frexp(x)[0]) if math.isfinite(x) else x


def _power_of_two(shifted: Any) -> Any:
    # by its bits, as the compiled leaves do: out of range it is as wrong as theirs, and a test sees it
    integer, bias, mantissa_bits = _BITS[type(shifted)]
    bits = np.asarray(shifted).view(integer)
    return ((bits + integer(bias)) << integer(mantissa_bits)).view(type(shifted))[()]


def _mix(bits: int, width: int, steps: Any) -> int:
    for shift, factor in steps:
        bits = (bits ^ (bits >> shift)) * factor % 2**width
    return bits


def _stream_key(seed: float, step: float, layer: int, row: int) -> int:
    # see _leaves.h
    steps = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))
    key = _mix((int(seed) + 0x9E3779B97F4A7C15) % 2**64, 64, steps)
    key = _mix((key + int(step)) % 2**64, 64, steps)
    return _mix((key + (int(layer) << 40) + int(row)) % 2**64, 64, steps) >> 32


def _uniform(like: Any, key: int, unit: int) -> Any:
    steps = ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 1))
    return type(like)((_mix((key + int(unit) * 0x9E3779B9) % 2**32, 32, steps) >> 8) * 2.0**-24)


def _product_error(a: Any, b: Any, product: Any) -> Any:
    # Veltkamp's halves, as in _leaves.h
    a1, b1 = (x * 134217729.0 - (x * 134217729.0 - x) for x in (a, b))
    a2, b2 = a - a1, b - b1
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _of_layer(plan: Any, layer: int, what: int) -> Any:
    return plan[ids.LAYERS + layer * ids.RECORD + what]


LEAVES = {
    "ptr": lambda array: array,
    "of_layer": _of_layer,
    "at": lambda pointer, offset: pointer[offset:],
    "constant": _constant,
    "cast": _cast,
    "wide": lambda x: np.dtype(type(x)).itemsize == 8,
    "exponent": _exponent,
    "mantissa": _mantissa,
    "power_of_two": _power_of_two,
    "square_root": np.sqrt,
    "power": math.pow,
    "cosine": math.cos,
    "stream_key": _stream_key,
    "uniform": _uniform,
    "barrier": lambda team, threads: None,
    "prefetch": lambda pointer: None,
    "product_error": _product_error,
    "whole": int,
    "vector_lanes": lambda pointer: _VECTOR_BYTES // pointer.itemsize,
    "tile_rows": lambda pointer: _ROWS,
    "tile_block": _tile(_ROWS, 2),
    "tile_column": _tile(_ROWS, 1),
    "tile_half": _tile(_ROWS // 2, 2),
    "tile_half_column": _tile(_ROWS // 2, 1),
    "tile_line": _tile(1, 4),
    "tile_row": _tile(1, 2),
    "tile_vector": _tile(1, 1),
    "pair_block": _pairs(4),
    "pair_line": _pairs(1),
}


def _quiet(kernel: Any) -> Any:
    # compiled arithmetic overflows without a word; NumPy's scalars should too
    @wraps(kernel)
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return kernel(*arguments)

    return call


def load_kernels() -> SimpleNamespace:
    """The kernels in plain Python."""
    module = load("mlcore.kernels._python", LEAVES)
    return SimpleNamespace(
        **{name: _quiet(function) for name, function in vars(module).items() if name.endswith("_kernel")}
    )
