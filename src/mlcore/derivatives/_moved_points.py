"""A function at many points that differ from one in a few entries: compiled throughout if it is, else call by call.

A function may also ignore its argument and read an array of its own, as the course's do: then the points are made in
that array, which is put back.
"""

from __future__ import annotations

import dis
import functools
import inspect
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config import available, requested_threads
from ..validation import FLOATS, warn_caller

# calls of a compiled function are shared by threads if all together take longer, in seconds
_LEAST_SHARED = 2e-3


@dataclass(frozen=True)
class Moves:
    """Which entries of x each move changes, all together: entries ``columns[starts[k] : starts[k + 1]]`` of move k."""

    starts: NDArray[np.intp]
    columns: NDArray[np.intp]

    @classmethod
    def of(cls, groups: list[Any]) -> Moves:
        """From each move's entries."""
        starts = np.cumsum([0, *(len(group) for group in groups)], dtype=np.intp)
        return cls(starts, np.concatenate([*(np.asarray(group, np.intp) for group in groups), np.empty(0, np.intp)]))

    @classmethod
    def single(cls, n: int) -> Moves:
        """Each entry on its own."""
        return cls(np.arange(n + 1, dtype=np.intp), np.arange(n, dtype=np.intp))

    def __len__(self) -> int:
        return self.starts.size - 1

    def owners(self) -> NDArray[np.intp]:
        """The move of each changed entry."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def take(self, chosen: NDArray[np.intp]) -> tuple[Moves, NDArray[np.intp]]:
        """Some of the moves, in order, and where their entries stand in `columns`."""
        if chosen.size == len(self):
            return self, np.arange(self.columns.size)
        counts = np.diff(self.starts)[chosen]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        places = np.arange(starts[-1]) - np.repeat(starts[:-1], counts) + np.repeat(self.starts[:-1][chosen], counts)
        return Moves(starts, self.columns[places]), places


class Function:
    """A user's function of one array, with further arguments, at a point and near it.

    Parameters
    ----------
    f : callable
    x : ndarray of float64
        The point; f receives copies.
    args : tuple
        What f receives behind x.
    scalar : bool
        Whether f must return a single number.
    n_threads : int, optional
        How many threads share the calls. None: all that the process may use if f is compiled and the calls take long,
        else one.
    inside : ndarray, optional
        An array of the user's with x's values, see `is_movable`: moved itself for each call, and put back. f receives
        it, or a copy in float64.

    Attributes
    ----------
    value : ndarray (m,)
        f(x), flat.
    shape : tuple
        The shape of f(x).
    epsilon : float
        The rounding of its dtype.
    moves_single : bool
        Whether what is moved is an array of float32.
    shares : bool
        Whether several threads have called f.
    """

    def __init__(
        self,
        f: Callable[..., Any],
        x: NDArray[np.float64],
        args: tuple[Any, ...],
        scalar: bool,
        n_threads: int | None,
        inside: NDArray[Any] | None = None,
    ) -> None:
        self._f, self._x, self._args, self._scalar, self._inside = f, x, args, scalar, inside
        self._n_threads = requested_threads(n_threads)
        self.moves_single = inside is not None and inside.dtype == np.float32
        self._is_called = self._differs = self.shares = False
        start = time.perf_counter()
        first = self._call(x.copy())
        if is_jitted(f):  # the first call may have compiled
            start = time.perf_counter()
            self._call(x.copy())
        self._seconds = time.perf_counter() - start
        self.shape = np.shape(first)
        self.epsilon = epsilon_of(first)
        self.value = _numbers(first, scalar, None).astype(np.float64)

    def _call(self, point: NDArray[Any]) -> Any:
        return self._f(point if point.ndim else point[()], *self._args)

    def at(self, moves: Moves, offsets: NDArray[Any]) -> NDArray[Any]:
        """The function's values (moves, m) at x plus each move's offsets, real or complex."""
        kind = np.complex128 if np.iscomplexobj(offsets) else np.float64
        values = np.empty((len(moves), self.value.size), kind)
        n = self._team(len(moves))
        cuts = [len(moves) * k // n for k in range(n + 1)]
        evaluate = self._compiled if is_jitted(self._f) and self._x.ndim else self._plain
        if self._inside is not None:
            evaluate = self._in_place

        def share(k: int) -> None:
            evaluate(moves, offsets, values, cuts[k], cuts[k + 1])

        if n == 1:
            share(0)
        else:
            with ThreadPoolExecutor(n) as pool:
                list(pool.map(share, range(n)))
        self.shares = self.shares or n > 1
        self._is_called = self._is_called or values.size > 0
        self._differs = self._differs or bool((values != self.value).any())
        return values

    @property
    def is_still(self) -> bool:
        """Whether f has given f(x) wherever it was called."""
        return self._is_called and not self._differs

    def stored(self, coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates as they are once f's array holds them."""
        return coordinates.astype(np.float32).astype(np.float64) if self.moves_single else coordinates

    def _team(self, n_moves: int) -> int:
        if self._n_threads is not None:
            return max(1, min(self._n_threads, n_moves))
        expensive = is_jitted(self._f) and self._seconds * n_moves > _LEAST_SHARED
        return max(1, min(available(), n_moves)) if expensive else 1

    def _plain(self, moves: Moves, offsets: NDArray[Any], values: NDArray[Any], first: int, end: int) -> None:
        x = self._x.reshape(-1)
        for k in range(first, end):
            places = slice(moves.starts[k], moves.starts[k + 1])
            point = self._x.astype(values.dtype)  # a copy for each call: f may do with it what it likes
            moved = moves.columns[places]
            point.reshape(-1)[moved] = x[moved] + offsets[places]
            values[k] = _numbers(self._call(point), self._scalar, self.shape, values.dtype.kind == "c")

    def _in_place(self, moves: Moves, offsets: NDArray[Any], values: NDArray[Any], first: int, end: int) -> None:
        assert self._inside is not None
        view, x = np.asarray(self._inside), self._x.reshape(-1)
        kept, entries = view.copy(), view.flat
        try:
            for k in range(first, end):
                places = slice(moves.starts[k], moves.starts[k + 1])
                moved = moves.columns[places]
                entries[moved] = x[moved] + offsets[places]
                values[k] = _numbers(self._f(as_argument(self._inside), *self._args), self._scalar, self.shape)
                view[...] = kept
        finally:
            view[...] = kept

    def _compiled(self, moves: Moves, offsets: NDArray[Any], values: NDArray[Any], first: int, end: int) -> None:
        point = self._x.astype(values.dtype)
        before = point.copy()
        loop = _compiled_loop(self.shape == ())
        arrays = before.reshape(-1), point, point.reshape(-1), moves.starts, moves.columns, offsets, values
        reached = loop(self._f, *arrays, first, end, self.shape, self._args)
        if reached < end:
            raise ValueError(
                f"f returned another shape near x than {self.shape}, that at x; it must be the same everywhere."
            )
        if not np.array_equal(point, before):
            raise ValueError("f changes the array that it receives; a compiled function must leave it as it is.")


def epsilon_of(value: Any) -> float:
    """The rounding of the dtype of what f returned."""
    kind = np.asarray(value).dtype
    return float(np.finfo(kind if kind.kind == "f" else np.float64).eps)


def is_movable(x: Any) -> bool:
    """Whether x may be moved in place: an array of floats, each with a place of its own, which is not a file's."""
    if not isinstance(x, np.ndarray) or x.dtype not in FLOATS or not (x.flags.aligned and x.flags.writeable):
        return False
    owner: Any = x
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap):
            return False
        owner = owner.base
    if x.flags.forc:
        return True
    steps = (np.arange(n) * stride for n, stride in zip(x.shape, x.strides, strict=True))
    places = functools.reduce(np.add.outer, steps)
    return np.unique(places).size == x.size


def as_argument(x: NDArray[Any]) -> NDArray[Any]:
    """What f receives of an array that is moved in place: the array, or its values in float64."""
    return x if x.dtype == np.float64 else x.astype(np.float64)


def warn_if_ignored(f: Any, x: Any) -> None:
    """Warn that f, which gave the same number everywhere, may not look at its argument; not if it plainly does."""
    if _reads_argument(f):
        return
    kind = type(x).__name__
    if isinstance(x, np.ndarray):
        kind = f"{'' if x.flags.writeable else 'read-only '}{kind} of {x.dtype}"
    if is_jitted(f):
        advice = "A compiled f knows arrays outside of it as they were when it was compiled: it must read its argument."
    elif is_movable(x):
        advice = "If it reads x instead, ask for one thread and a real method: then x is moved in place."
    else:
        advice = "If it reads an array of yours instead, make that a writable NumPy array of float64, and give it as x."
    warn_caller(
        "f returned the same number wherever it was called, so its derivative is 0; but it may not look at its "
        f"argument, a copy of x (which is: {kind}). {advice}"
    )


def _reads_argument(f: Any) -> bool:
    """Whether the code of a Python function loads its first argument; False where there is no code to be seen."""
    given = 0
    while isinstance(f, functools.partial):
        f, given = f.func, given + len(f.args)
    f = getattr(f, "py_func", f)
    if not inspect.isroutine(f):
        f, given = type(f).__call__, given + 1
    elif inspect.ismethod(f):
        given += 1
    code = getattr(f, "__code__", None)
    if code is None or code.co_argcount <= given:
        return False
    name = code.co_varnames[given]
    loaded = (step.argval for step in dis.get_instructions(code) if step.opname.startswith("LOAD"))
    return name in code.co_cellvars or any(
        value == name or value.__class__ is tuple and name in value for value in loaded
    )


def is_jitted(f: Any) -> bool:
    """Whether f is a function compiled by Numba."""
    extending = sys.modules.get("numba.extending")  # who has a jitted function has loaded numba
    return extending is not None and bool(extending.is_jitted(f))


def _numbers(value: Any, scalar: bool, shape: tuple[int, ...] | None, is_complex: bool = False) -> NDArray[Any]:
    """What f returned, flat; ``TypeError`` or ``ValueError`` for what cannot be differentiated."""
    array = np.asarray(value)
    if scalar and array.size != 1:
        raise TypeError(
            f"f must return one real number, but returned {type(value).__name__} of shape {array.shape}; sum or index "
            "its result, or ask for its jacobian."
        )
    if array.dtype.kind not in ("c" if is_complex else "biuf"):
        wanted = "complex numbers of complex x, for method='complex-step'" if is_complex else "real numbers"
        raise TypeError(f"f must return {wanted}, but returned {type(value).__name__} of dtype {array.dtype}.")
    if shape is not None and array.shape != shape:
        raise ValueError(f"f returned shape {array.shape} near x, but {shape} at x; it must be the same everywhere.")
    return array.reshape(-1)


@lru_cache(maxsize=2)
def _compiled_loop(scalar: bool) -> Any:
    import numba

    def loop(f, x, point, moved, starts, columns, offsets, values, first, end, shape, args):  # type: ignore[no-untyped-def]
        for k in range(first, end):
            for e in range(starts[k], starts[k + 1]):
                moved[columns[e]] = x[columns[e]] + offsets[e]
            if scalar:
                values[k, 0] = f(point, *args)
            else:
                result = f(point, *args)
                if result.shape != shape:
                    return k
                values[k, :] = result.ravel()
            for e in range(starts[k], starts[k + 1]):
                moved[columns[e]] = x[columns[e]]
        return end

    return numba.njit(nogil=True, error_model="numpy")(loop)
