"""Numba's leaf functions: pointers, bits of a float and the register tile as LLVM code, and the cache on disk."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from .. import ids
from ..source import SOURCES
from . import numba_cache, numba_linking
from .loader import load, source_directory, source_hash
from .numba_linking import mark_as_part, once_for_literals

_INT64 = ir.IntType(64)
_INT32 = ir.IntType(32)


def _float_type(kind: Any) -> Any:
    return ir.FloatType() if kind.bitwidth == 32 else ir.DoubleType()


def _pointer_signature(kind: Any) -> Any:
    return types.CPointer(kind)


@intrinsic
def ptr(typing_context, array):
    def generate(context, builder, signature, arguments):
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return _pointer_signature(array.dtype)(array), generate


@intrinsic
def at(typing_context, pointer, offset):
    def generate(context, builder, signature, arguments):
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.intp), generate


@intrinsic
def of_layer(typing_context, plan, layer, what):
    def generate(context, builder, signature, arguments):
        plan, layer, what = arguments
        place = builder.add(builder.mul(layer, _INT64(ids.RECORD)), builder.add(what, _INT64(ids.LAYERS)))
        return builder.load(builder.gep(plan, [place]))

    return types.intp(plan, types.intp, types.intp), generate


@intrinsic
def cast(typing_context, like, value):
    def generate(context, builder, signature, arguments):
        return context.cast(builder, arguments[1], signature.args[1], signature.return_type)

    return like(like, value), generate


@intrinsic
def constant(typing_context, pointer, value):
    def generate(context, builder, signature, arguments):
        return context.cast(builder, arguments[1], signature.args[1], signature.return_type)

    return pointer.dtype(pointer, value), generate


@intrinsic
def wide(typing_context, x):
    is_wide = x.bitwidth == 64

    def generate(context, builder, signature, arguments):
        return ir.Constant(ir.IntType(1), int(is_wide))

    return types.boolean(x), generate


def _bit_trick(transform: Any) -> Any:
    """An intrinsic x -> x whose code is `transform(builder, bits, int type, float type, mantissa bits, bias)`."""

    @intrinsic
    def trick(typing_context, x):
        mantissa_bits, bias = (23, 127) if x.bitwidth == 32 else (52, 1023)

        def generate(context, builder, signature, arguments):
            integer, real = ir.IntType(x.bitwidth), _float_type(x)
            bits = builder.bitcast(arguments[0], integer)
            return transform(builder, bits, integer, real, mantissa_bits, bias)

        return x(x), generate

    return trick


def _power_of_two(builder, bits, integer, real, mantissa_bits, bias):
    exponent = builder.add(bits, integer(bias))
    return builder.bitcast(builder.shl(exponent, integer(mantissa_bits)), real)


def _mantissa(builder, bits, integer, real, mantissa_bits, bias):
    fraction = builder.and_(bits, integer((1 << mantissa_bits) - 1))
    return builder.bitcast(builder.or_(fraction, integer(bias << mantissa_bits)), real)


def _exponent(builder, bits, integer, real, mantissa_bits, bias):
    # the exponent field becomes the last bits of 2**mantissa_bits, a float from which that power is taken away
    magic = integer((bias + mantissa_bits) << mantissa_bits)
    field = builder.or_(builder.lshr(bits, integer(mantissa_bits)), magic)
    return builder.fsub(builder.bitcast(field, real), real(float(2**mantissa_bits + bias)))


power_of_two = _bit_trick(_power_of_two)
mantissa = _bit_trick(_mantissa)
exponent = _bit_trick(_exponent)


def _features(context: Any) -> set[str]:
    """The CPU features Numba compiles for: part of its cache key, as the shape of the tile must be."""
    text = context.codegen().magic_tuple()[2]
    return {name[1:] for name in text.split(",") if name.startswith("+")}


def _machine(context: Any) -> tuple[int, int, bool]:
    """(bytes of a vector, rows of a tile, fused multiply-add?) for the register file that is compiled for."""
    features = _features(context)
    if "avx512f" in features:
        return 64, 8, True
    if "avx2" in features or "avx" in features:
        return 32, 4, "fma" in features
    arm = binding.get_process_triple().startswith(("aarch64", "arm64"))
    return 16, 8 if arm else 4, arm


@intrinsic
def vector_lanes(typing_context, pointer):
    def generate(context, builder, signature, arguments):
        return _INT64(_machine(context)[0] * 8 // pointer.dtype.bitwidth)

    return types.intp(pointer), generate


@intrinsic
def tile_rows(typing_context, pointer):
    def generate(context, builder, signature, arguments):
        return _INT64(_machine(context)[1])

    return types.intp(pointer), generate


class _Tile:
    """c (rows x vectors of lanes) = a b, every sum in order, in registers throughout the loop over k."""

    def __init__(self, builder: Any, kind: Any, lane_bytes: int, fused: bool) -> None:
        self.builder, self.fused = builder, fused
        self.align = kind.bitwidth // 8
        self.lanes = lane_bytes // self.align
        self.vector = ir.VectorType(_float_type(kind), self.lanes)
        self.suffix = f"v{self.lanes}f{kind.bitwidth}"

    def load(self, pointer: Any, offset: Any) -> Any:
        value = self.builder.load(self.address(pointer, offset))
        value.align = self.align
        return value

    def store(self, value: Any, pointer: Any, offset: Any) -> None:
        self.builder.store(value, self.address(pointer, offset)).align = self.align

    def address(self, pointer: Any, offset: Any) -> Any:
        place = self.builder.gep(pointer, [offset])
        return self.builder.bitcast(place, self.vector.as_pointer())

    def broadcast(self, scalar: Any) -> Any:
        undefined = ir.Constant(self.vector, ir.Undefined)
        lane = self.builder.insert_element(undefined, scalar, _INT32(0))
        zeros = ir.Constant(ir.VectorType(_INT32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(lane, undefined, zeros)

    def multiply_add(self, x: Any, y: Any, total: Any) -> Any:
        if not self.fused:
            return self.builder.fadd(self.builder.fmul(x, y), total)
        name = f"llvm.fma.{self.suffix}"
        function = self.builder.module.globals.get(name) or ir.Function(
            self.builder.module, ir.FunctionType(self.vector, [self.vector] * 3), name
        )
        return self.builder.call(function, [x, y, total])


@intrinsic
def prefetch(typing_context, pointer):
    def generate(context, builder, signature, arguments):
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, _INT32, _INT32, _INT32])
        name = "llvm.prefetch.p0i8"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        # to be read, into the second level, as data
        builder.call(function, [builder.bitcast(arguments[0], byte), _INT32(0), _INT32(2), _INT32(1)])
        return context.get_dummy_value()

    return types.void(pointer), generate


def _product_error(builder: Any, a: Any, b: Any, product: Any, fused: Callable[[Any, Any, Any], Any] | None) -> Any:
    """What rounding took from a product, of numbers or of vectors."""
    kind = product.type

    def number(x: float) -> Any:
        return ir.Constant(kind, [x] * kind.count if isinstance(kind, ir.VectorType) else x)

    minus = builder.fsub(number(-0.0), product)
    if fused:
        return fused(a, b, minus)

    def halves(x: Any) -> tuple[Any, Any]:
        high = builder.fmul(x, number(134217729.0))
        high = builder.fsub(high, builder.fsub(high, x))
        return high, builder.fsub(x, high)

    (a1, a2), (b1, b2) = halves(a), halves(b)
    error = builder.fadd(builder.fmul(a1, b1), minus)
    error = builder.fadd(builder.fadd(error, builder.fmul(a1, b2)), builder.fmul(a2, b1))
    return builder.fadd(error, builder.fmul(a2, b2))


@intrinsic
def product_error(typing_context, a, b, product):
    def generate(context, builder, signature, arguments):
        return _product_error(builder, *arguments, builder.fma if _machine(context)[2] else None)

    return types.float64(types.float64, types.float64, types.float64), generate


def _make_tile(part: int, vectors: int) -> Any:
    """A tile of the machine's rows divided by `part`, or of one row if that is 0."""

    @intrinsic
    def tile(typing_context, k, a, row, column, b, b_row, c, c_row, start, start_row, keep):
        integers = (types.intp,) * 2
        signature = types.void(types.intp, a, *integers, b, types.intp, c, types.intp, start, *integers)

        def generate(context, builder, signature, arguments):
            k, a, row, column, b, b_row, c, c_row, start, start_row, keep = arguments
            lane_bytes, machine_rows, fused = _machine(context)
            t = _Tile(builder, signature.args[1].dtype, lane_bytes, fused)
            block = [(i, v) for i in range(machine_rows // part if part else 1) for v in range(vectors)]

            def places(stride: Any) -> Any:
                return {(i, v): builder.add(builder.mul(stride, _INT64(i)), _INT64(v * t.lanes)) for i, v in block}

            place, start_place = places(c_row), places(start_row)
            before, loading = builder.block, builder.append_basic_block("load")
            enter, loop = builder.append_basic_block("enter"), builder.append_basic_block("loop")
            done = builder.append_basic_block("done")
            builder.cbranch(builder.icmp_signed("!=", keep, _INT64(0)), loading, enter)

            builder.position_at_end(loading)
            loaded = {at_: t.load(start, start_place[at_]) for at_ in block}
            builder.branch(enter)

            builder.position_at_end(enter)
            first = {}
            for at_ in block:
                first[at_] = builder.phi(t.vector)
                first[at_].add_incoming(ir.Constant(t.vector, [0.0] * t.lanes), before)
                first[at_].add_incoming(loaded[at_], loading)
            builder.cbranch(builder.icmp_signed(">", k, _INT64(0)), loop, done)

            builder.position_at_end(loop)
            s = builder.phi(_INT64)
            s.add_incoming(_INT64(0), enter)
            total = {}
            for at_ in block:
                total[at_] = builder.phi(t.vector)
                total[at_].add_incoming(first[at_], enter)
            line = builder.gep(b, [builder.mul(s, b_row)])
            lines = [t.load(line, _INT64(v * t.lanes)) for v in range(vectors)]
            column_start = builder.gep(a, [builder.mul(s, column)])
            after = {}
            for i in range(block[-1][0] + 1):
                factor = builder.load(builder.gep(column_start, [builder.mul(row, _INT64(i))]))
                spread = t.broadcast(factor)
                for v in range(vectors):
                    after[i, v] = t.multiply_add(spread, lines[v], total[i, v])
            following = builder.add(s, _INT64(1))
            s.add_incoming(following, loop)
            for at_ in block:
                total[at_].add_incoming(after[at_], loop)
            builder.cbranch(builder.icmp_signed("<", following, k), loop, done)

            builder.position_at_end(done)
            result = {}
            for at_ in block:
                result[at_] = builder.phi(t.vector)
                result[at_].add_incoming(first[at_], enter)
                result[at_].add_incoming(after[at_], loop)
            for at_ in block:
                t.store(result[at_], c, place[at_])
            return context.get_dummy_value()

        return signature, generate

    return tile


def _make_pairs(n_lines: int) -> Any:
    """`add_multiple` of each of k > 0 rows to some lines of a total, in registers throughout, then `normalise`."""

    @intrinsic
    def pairs(typing_context, k, stride, a, a_low, b, b_low, high, low):
        signature = types.void(types.intp, types.intp, a, a_low, b, b_low, high, low)

        def generate(context, builder, signature, arguments):
            k, stride, a, a_low, b, b_low, high, low = arguments
            lane_bytes, _, fused = _machine(context)
            t = _Tile(builder, signature.args[2].dtype, lane_bytes, fused)
            add, subtract, multiply = builder.fadd, builder.fsub, builder.fmul
            places = [builder.mul(stride, _INT64(i)) for i in range(n_lines)]
            first = [t.load(half, place) for place in places for half in (high, low)]
            before, loop, done = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("done")
            builder.branch(loop)

            builder.position_at_end(loop)
            s = builder.phi(_INT64)
            totals = [builder.phi(t.vector) for _ in first]
            row = builder.mul(s, stride)
            x, x_low = t.load(b, row), t.load(b_low, row)
            after = []
            for i, (total, rest) in enumerate(zip(totals[::2], totals[1::2], strict=True)):
                column = builder.add(row, _INT64(i))
                factor, factor_low = (t.broadcast(builder.load(builder.gep(half, [column]))) for half in (a, a_low))
                p = multiply(factor, x)
                new = add(total, p)
                back = subtract(new, total)
                lost = _product_error(builder, factor, x, p, t.multiply_add if fused else None)
                lost = add(lost, add(multiply(factor, x_low), multiply(factor_low, x)))
                rounded = add(subtract(total, subtract(new, back)), subtract(p, back))
                after += [new, add(rest, add(rounded, lost))]
            following = builder.add(s, _INT64(1))
            for phi, start, end in zip([s, *totals], [_INT64(0), *first], [following, *after], strict=True):
                phi.add_incoming(start, before)
                phi.add_incoming(end, loop)
            builder.cbranch(builder.icmp_signed("<", following, k), loop, done)

            builder.position_at_end(done)
            for i, place in enumerate(places):
                total, rest = after[2 * i : 2 * i + 2]
                new = add(total, rest)
                back = subtract(new, total)
                t.store(add(subtract(total, subtract(new, back)), subtract(rest, back)), low, place)
                t.store(new, high, place)
            return context.get_dummy_value()

        return signature, generate

    return pairs


def _mix(builder: Any, bits: Any, steps: Any) -> Any:
    """Shift right and xor, multiply: for each (shift, factor), the last without a factor."""
    for shift, factor in steps:
        bits = builder.xor(bits, builder.lshr(bits, bits.type(shift)))
        if factor:
            bits = builder.mul(bits, bits.type(factor))
    return bits


# the counter-based stream of dropout: SplitMix64 makes a key, a 32-bit mixing function a number (see _leaves.h)
_MIX_64 = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 0))
_MIX_32 = ((16, 0x7FEB352D), (15, 0x846CA68B), (16, 0))


@intrinsic
def stream_key(typing_context, seed, step, layer, row):
    def generate(context, builder, signature, arguments):
        seed, step, layer, row = arguments
        seed, step = (builder.fptoui(number, _INT64) for number in (seed, step))
        key = _mix(builder, builder.add(seed, _INT64(0x9E3779B97F4A7C15)), _MIX_64)
        key = _mix(builder, builder.add(key, step), _MIX_64)
        place = builder.add(builder.shl(layer, _INT64(40)), row)
        return builder.lshr(_mix(builder, builder.add(key, place), _MIX_64), _INT64(32))

    return types.intp(types.float64, types.float64, types.intp, types.intp), generate


@intrinsic
def uniform(typing_context, like, key, unit):
    def generate(context, builder, signature, arguments):
        key, unit = (builder.trunc(number, _INT32) for number in arguments[1:])
        bits = _mix(builder, builder.add(key, builder.mul(unit, _INT32(0x9E3779B9))), _MIX_32)
        real = _float_type(like)
        number = builder.sitofp(builder.lshr(bits, _INT32(8)), real)
        return builder.fmul(number, real(2.0**-24))

    return like(like, types.intp, types.intp), generate


@intrinsic
def _arrive(typing_context, team):
    def generate(context, builder, signature, arguments):
        return builder.atomic_rmw("add", arguments[0], _INT64(1), "acq_rel")

    return types.intp(team), generate


@intrinsic
def _arrived(typing_context, team):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(arguments[0], "acquire", 8)

    return types.intp(team), generate


@intrinsic
def _pause(typing_context):
    def generate(context, builder, signature, arguments):
        machine = binding.get_process_triple().partition("-")[0]
        name, operands = {
            "x86_64": ("llvm.x86.sse2.pause", []),
            "aarch64": ("llvm.aarch64.hint", [_INT32(1)]),
            "arm64": ("llvm.aarch64.hint", [_INT32(1)]),
        }.get(machine, (None, []))
        if name:
            kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
            function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            builder.call(function, operands)
        return context.get_dummy_value()

    return types.void(), generate


# Windows has no sched_yield: one thread there
THREADS = sys.platform != "win32"
_SPINS, _ABANDONED = ids.SPINS, ids.ABANDONED
if THREADS:
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())
else:
    _sched_yield = _pause


@numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
@mark_as_part
def barrier(team, threads):
    # threads meet here: each adds one to the count, and waits until the round is full (see _leaves.h)
    if threads > 1:
        goal = (_arrive(team) // threads + 1) * threads
        spins = 0
        while goal < _ABANDONED and _arrived(team) < goal:
            spins += 1
            if spins < _SPINS:
                _pause()
            else:
                _sched_yield()


LEAVES = {
    "ptr": ptr,
    "at": at,
    "of_layer": of_layer,
    "constant": constant,
    "cast": cast,
    "wide": wide,
    "exponent": exponent,
    "mantissa": mantissa,
    "power_of_two": power_of_two,
    "square_root": math.sqrt,
    "power": math.pow,
    "cosine": math.cos,
    "stream_key": stream_key,
    "uniform": uniform,
    "barrier": barrier,
    "prefetch": prefetch,
    "product_error": product_error,
    "whole": int,
    "vector_lanes": vector_lanes,
    "tile_rows": tile_rows,
    "tile_block": _make_tile(1, 2),
    "tile_column": _make_tile(1, 1),
    "tile_half": _make_tile(2, 2),
    "tile_half_column": _make_tile(2, 1),
    "tile_line": _make_tile(0, 4),
    "tile_row": _make_tile(0, 2),
    "tile_vector": _make_tile(0, 1),
    "pair_block": _make_pairs(4),
    "pair_line": _make_pairs(1),
}


def _cache_root() -> Path:
    """MLCORE_CACHE_DIR, NUMBA_CACHE_DIR, or the platform's folder for caches."""
    for variable in ("MLCORE_CACHE_DIR", "NUMBA_CACHE_DIR"):
        if os.environ.get(variable):
            return Path(os.environ[variable])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "mlcore" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mlcore"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlcore"


def _snapshot() -> Path | None:
    """A folder named by the hash of all kernel sources that holds a copy of them; None where nothing can be written.

    Numba keeps its cache beside the file it compiles and watches that file alone, so a copy in a folder of its own
    makes the cache follow every one of the sources (numba#1833), a read-only installation included.
    """
    if os.environ.get("MLCORE_NUMBA_CACHE", "1") == "0":
        return None
    try:
        folder = _cache_root() / f"kernels-{source_hash(numba.__version__, f'linking {numba_linking.ENABLED}')}"
        folder.mkdir(parents=True, exist_ok=True)
        for name in SOURCES:
            target = folder / f"{name}.py"
            text = (source_directory() / f"{name}.py").read_bytes()
            if not target.exists() or target.read_bytes() != text:
                handle, temporary = tempfile.mkstemp(dir=folder)
                try:
                    with os.fdopen(handle, "wb") as file:
                        file.write(text)
                    os.replace(temporary, target)
                except OSError:
                    os.unlink(temporary)
                    raise
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError) as error:
        numba_cache.warn_of_disk(error)
        return None
    return folder


def load_kernels() -> ModuleType:
    """The shared sources as a module whose kernels Numba compiles at their first call."""
    folder = _snapshot()

    # error_model: a division by zero gives infinity, as in C; fastmath off: results are the same bits everywhere
    options = {"nogil": True, "error_model": "numpy", "fastmath": False, "no_cfunc_wrapper": True}

    def compile_function(function: Any) -> Any:
        if function.__name__.endswith("_kernel"):
            kernel = numba.njit(**options)(function)
            return kernel if folder is None else numba_cache.keep(kernel)
        return once_for_literals(numba.njit(**options, no_cpython_wrapper=True)(mark_as_part(function)))

    return load("mlcore.kernels._numba", LEAVES, compile_function, folder)
