"""How many multiplications and additions the cores can do: vectors in registers, no memory, none of the contenders."""

from __future__ import annotations

from threading import Barrier, Thread
from time import perf_counter
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

FEATURES = binding.get_host_cpu_features()
if FEATURES.get("avx512f"):
    VECTOR_BYTES, ACCUMULATORS = 64, 24
elif FEATURES.get("fma"):
    VECTOR_BYTES, ACCUMULATORS = 32, 12  # and two operands, of sixteen registers
else:
    VECTOR_BYTES, ACCUMULATORS = 16, 24  # ARM: thirty-two registers

ROUNDS = 20_000  # of a call: about 0.1 ms, short enough to fit between two interruptions
SECONDS = 0.02  # of calls, one after the other


@intrinsic
def multiply_and_add(typing_context: Any, first: Any, rounds: Any) -> Any:
    """Do as many rounds of independent vector multiply-adds; the sum of a lane, so that nothing can be left out."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, rounds = arguments
        lanes = VECTOR_BYTES * 8 // signature.args[0].bitwidth
        vector = ir.VectorType(first.type, lanes)
        name = f"llvm.fma.v{lanes}f{signature.args[0].bitwidth}"
        fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
        factor, addend = (ir.Constant(vector, [number] * lanes) for number in (0.5, 0.25))
        # each begins elsewhere: equal ones would be computed once
        sums = []
        for k in range(ACCUMULATORS):
            begin = builder.insert_element(ir.Constant(vector, [float(k)] * lanes), first, ir.IntType(32)(0))
            sums.append(cgutils.alloca_once_value(builder, begin))
        with cgutils.for_range(builder, rounds):
            for place in sums:
                builder.store(builder.call(fma, [builder.load(place), factor, addend]), place)
        total = builder.load(sums[0])
        for place in sums[1:]:
            total = builder.fadd(total, builder.load(place))
        return builder.extract_element(total, ir.IntType(32)(0))

    return first(first, types.intp), generate


@njit(nogil=True)
def run(first, rounds):
    return multiply_and_add(first, rounds)


def peak(n_threads: int, dtype: str) -> float:
    """Operations a second of so many threads at once: the best of many short windows, each as long as a call."""
    first = np.dtype(dtype).type(1.0)
    operations = 2 * ROUNDS * ACCUMULATORS * VECTOR_BYTES // first.itemsize
    run(first, ROUNDS)
    barrier = Barrier(n_threads)
    clocks: list[list[float]] = [[] for _ in range(n_threads)]

    def work(clock: list[float]) -> None:
        barrier.wait()
        clock.append(perf_counter())
        while clock[-1] < clock[0] + SECONDS:
            run(first, ROUNDS)
            clock.append(perf_counter())

    workers = [Thread(target=work, args=(clock,)) for clock in clocks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    # what each had done when the first one began and ended a call
    marks = np.array(clocks[0])
    done = sum(np.interp(marks, clock, operations * np.arange(len(clock))) for clock in clocks)
    return float(np.max(np.diff(done) / np.diff(marks)))
