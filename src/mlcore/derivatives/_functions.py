"""Derivatives of any function, and a check of gradients against them.

Every method is a tableau (_extrapolation.py) of differences (_differences.py) of a function at moved points
(_moved_points.py). The methods differ in their first step, and in how many steps there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..config import check_threads
from ..validation import as_float_array, check_choice, check_positive
from ._differences import COLUMNS, EPSILON, METHODS, FirstDifferences, SecondDifferences, Steps, groups
from ._extrapolation import Floats, extrapolate, search
from ._moved_points import Function, Moves, as_argument, epsilon_of, is_jitted, is_movable, warn_if_ignored

_Found = TypeVar("_Found")


def numerical_derivative(f: Callable[[Any], Any], x: Any, delta: float = 1e-4) -> Any:
    """The textbook central difference, (f(x + delta) - f(x - delta)) / (2 delta), for every entry of x.

    x itself is moved, entry by entry, as in the textbook's loop: f may ignore its argument and read the array that was
    given as x, ``W`` for example. x is put back, bit for bit.

    Parameters
    ----------
    f : callable
        Takes a float (if x is one) or an array of x's shape, returns a number. A function decorated with numba's
        ``njit`` is compiled throughout: the loop over the entries too, once per function.
    x : float or array_like
        Where. A writable NumPy array of float64 or float32 is moved in place, in C order, and f receives it (of
        float32: a copy in float64, equal to x in every entry). Of anything else f receives copies in float64: of a
        number, a list, a Series, a tensor, an array of another dtype, of another byte order, misaligned, read-only,
        mapped from a file or with entries that share memory, and of any array if f is compiled.
    delta : float, default=1e-4
        The step. The error is about f''' delta^2 / 6, plus the rounding of f over delta. In an array of float32, which
        holds x + delta and x - delta rounded, the difference is divided by what lies between the two.

    Returns
    -------
    float or ndarray of x's shape
        In float64, in memory of its own. For a Python function: bit for bit what
        :func:`mlcore.reference.numerical_derivative` gives.

    Raises
    ------
    ValueError
        If x holds NaN or infinity, if delta is not above 0, or if it is lost in an entry of float32.
    TypeError
        If f returns something else than one real number.

    Warns
    -----
    UserWarning
        If f received copies, returned the same number for all of them and for x, and does not plainly read its
        argument: what it reads instead has not been moved.

    Notes
    -----
    Costs two calls of f an entry, and one more where f received copies and returned the same number for all. x is put
    back also when f raises, is interrupted or changes x; but what f changes in one call the next ones see. Calls may be
    nested, in f, for the same x. No two threads may use x at once.

    References
    ----------
    Any textbook of numerical analysis, for example Burden and Faires, Numerical Analysis, section 4.1.

    Examples
    --------
    >>> import mlcore, numpy as np
    >>> mlcore.numerical_derivative(lambda x: x**2, 3.0)
    6.000000000012662

    A step of gradient descent, f a function of what it reads:

    >>> x, t, W = np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [4.0], [6.0]]), np.zeros((1, 1))
    >>> f = lambda _: np.mean((x @ W - t) ** 2)
    >>> W -= 0.1 * mlcore.numerical_derivative(f, W)
    >>> W.round(6)
    array([[1.866667]])
    """
    check_positive(delta, "delta")
    point = as_float_array(x, "x", np.float64)
    if is_movable(x) and not is_jitted(f):
        return _central_differences(f, x, delta)[0]
    result, is_still = _differences_of_copies(f, point, delta, np.ndim(x) == 0 and not isinstance(x, np.ndarray))
    if is_still:
        warn_if_ignored(f, x)
    return result


def _differences_of_copies(
    f: Callable[[Any], Any], point: Floats, delta: float, as_number: bool
) -> tuple[float | Floats, bool]:
    """The central differences where f receives copies, and whether it is the same for all of them and for x."""
    if as_number:
        here = float(point)
        above, below = _number(f(here + delta)), _number(f(here - delta))
        return (above - below) / (2 * delta), above == below == _number(f(here))
    copy = point.copy()
    if is_jitted(f) and copy.size and not isinstance(first := f(copy.copy()), np.ndarray):
        _number(first)
        result = np.empty_like(copy)
        common = _compiled_loop()(f, copy, result, float(delta))
    else:
        result, common = _central_differences(f, copy, delta)
    return result, common == common and common == _number(f(copy))


def _central_differences(f: Callable[[Any], Any], x: NDArray[Any], delta: float) -> tuple[Floats, float]:
    """The central differences of an array that is moved in place, and what all calls returned, NaN if it differed."""
    view, result = np.asarray(x), np.empty(x.shape)
    kept, entries, derivatives = view.copy("C"), view.flat, result.reshape(-1)
    is_double = x.dtype == np.float64
    if is_double:
        high, low, width = kept + delta, kept - delta, np.full(x.shape, 2 * delta)
    else:
        high, low, width = _moves_of_single(kept, delta)
    columns, common = (part.reshape(-1).tolist() for part in (high, low, kept, width)), np.nan
    try:
        for i, (up, down, here, between) in enumerate(zip(*columns, strict=True)):
            entries[i] = up
            above = _number(f(x if is_double else as_argument(x)))
            entries[i] = down
            below = _number(f(x if is_double else as_argument(x)))
            entries[i] = here
            derivatives[i] = (above - below) / between
            if i == 0:
                common = above
            if not above == below == common:
                common = np.nan
    finally:
        view[...] = kept
    return result, common


def _moves_of_single(x: NDArray[Any], delta: float) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return x + delta and x - delta as float32 holds them, and what lies between, which must be something."""
    with np.errstate(over="ignore"):
        high, low = ((x.astype(np.float64) + step).astype(x.dtype) for step in (delta, -delta))
    width = high.astype(np.float64) - low.astype(np.float64)
    wrong = ~((width > 0.0) & (width < np.inf))
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"delta={delta!r} is lost in the {x.dtype} of {_entry(place)} = {x[place]}: x + delta is {high[place]} "
            f"there, x - delta is {low[place]}. Give another delta, or x as an array of float64."
        )
    return high, low, width


def _entry(place: tuple[int, ...]) -> str:
    """An entry of x as one would write it."""
    return f"x[{', '.join(map(str, place))}]" if place else "x"


def gradient(
    f: Callable[..., Any],
    x: Any,
    *,
    method: str = "auto",
    step: Any = None,
    args: Any = (),
    bounds: Any = None,
    n_threads: int | None = None,
    return_error: bool = False,
) -> Any:
    r"""The gradient of a function that returns one number, each entry of x by steps of its own scale.

    ================  ==================================================  ============  =============
    method            each entry                                          error         calls an entry
    ================  ==================================================  ============  =============
    ``central``       :math:`D(h) = (f(x + h) - f(x - h)) / 2h`           :math:`h^2`   2
    ``five-point``    :math:`(4 D(h) - D(2h)) / 3`                        :math:`h^4`   4
    ``richardson``    D at four steps, extrapolated to a step of zero     :math:`h^8`   8
    ``auto``          the same at as many steps as it takes, other ones   ~ 1e-13       6 to 12, rarely
                      if these turn out too large or too small                          more
    ``complex-step``  :math:`\mathrm{Im} f(x + ih) / h`                   rounding      1
    ================  ==================================================  ============  =============

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` takes an array of x's shape (a float if x is one) and returns one real number. A function
        decorated with numba's ``njit`` is compiled throughout, once per function; it must not change what it receives.
    x : float or array_like
        Where. Integers and float32 become float64.
    method : {"auto", "central", "five-point", "richardson", "complex-step"}, default="auto"
        ``complex-step`` is exact but for rounding, for functions that accept complex x and are analytic.
    step : float or array_like of x's shape, optional
        h; for ``richardson`` and ``auto`` the first and largest step. Default: by the size of each entry of x (of the
        largest one where x is 0): eps^(1/3), eps^(1/5) and 0.1 times it, 1e-30 for ``complex-step``. The first two and
        ``richardson`` take no entry for less than 1e-4 of the largest one; ``auto`` finds its way from any scale.
    args : tuple, default=()
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        f is called within them only; None, for a side or for an entry of it, is no bound. An entry on a bound is
        differentiated from inside, by twice as many terms.
    n_threads : int, optional
        How many threads share the entries. None: all that may be used if f is compiled and takes long, else one: a
        Python function may not be made for it.
    return_error : bool, default=False
        Give an estimate of the absolute error too (``central`` and ``five-point`` then take two calls more an entry).

    Returns
    -------
    gradient : ndarray of x's shape, or float
    error : of the same shape
        Only with `return_error`.

    Raises
    ------
    ValueError
        If x holds NaN or infinity or is outside of its bounds, a step is not above 0, or a compiled f changes its
        argument.
    TypeError
        If f returns something else than one real number (one complex number for ``complex-step``).

    Notes
    -----
    f receives copies of x, which is unchanged, also when f raises; what f raises is not held back. If f gives the same
    number for all of them and for x, it may ignore its argument and read the array that it was given as x: where
    `numerical_derivative` would move x in place, the moves are made once more in x itself, which is put back (by one
    thread; not for ``complex-step``). Elsewhere a UserWarning says so. Where f is NaN or infinite nearby, ``auto``
    tries smaller steps; what remains undefined is NaN with an error of infinity, and so is the error at a kink or a
    jump. Noise of f, be it single precision, rounded results or cancelling terms, is recognised by ``auto``, which then
    takes no step beyond a tenth of x and says in the error what is left. Memory: a few numbers an entry.

    References
    ----------
    Press et al., Numerical Recipes, 3rd edition, section 5.7; Ridders, Advances in Engineering Software 4 (1982) 75;
    Squire and Trapp, SIAM Review 40 (1998) 110.

    Examples
    --------
    >>> import mlcore, numpy as np
    >>> mlcore.gradient(lambda v: np.sum(v**3), np.array([1.0, 2.0]), method="complex-step")
    array([ 3., 12.])
    """
    value, error, _, point = _first(f, x, method, step, args, bounds, n_threads, return_error, scalar=True)
    value, error = (_like(part.reshape(point.shape), x) for part in (value, error))
    return (value, error) if return_error else value


def jacobian(
    f: Callable[..., Any],
    x: Any,
    *,
    method: str = "auto",
    step: Any = None,
    args: Any = (),
    bounds: Any = None,
    sparsity: Any = None,
    n_threads: int | None = None,
    return_error: bool = False,
) -> Any:
    """The Jacobian of a function that returns an array: entry [i, j] is the derivative of output i by entry j of x.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` returns an array of any shape, the same everywhere. A compiled one must return an array.
    sparsity : array_like or sparse matrix (m, p), optional
        Where the Jacobian, outputs by entries of x, may differ from 0. Columns that share no row are moved together, so
        the calls are those of as many entries as there are groups: three for a tridiagonal matrix of any size.
    x, method, step, args, bounds, n_threads, return_error
        As in `gradient`.

    Returns
    -------
    jacobian : ndarray of shape f(x).shape + x.shape
        A scipy.sparse.csr_array (m, p) if `sparsity` is a sparse matrix.
    error
        The same for the estimated absolute errors; only with `return_error`.

    Raises
    ------
    ValueError
        As `gradient`; also for a sparsity of another shape, and if f's shape changes.
    TypeError
        If f returns something else than real (complex) numbers.

    Notes
    -----
    Calls, error order, and what becomes of an f that ignores its argument: as in `gradient`. Memory: the result a few
    times.

    References
    ----------
    Those of `gradient`; Curtis, Powell and Reid, IMA Journal of Applied Mathematics 13 (1974) 117.

    Examples
    --------
    >>> import mlcore, numpy as np
    >>> mlcore.jacobian(lambda v: v**2, np.array([1.0, 2.0]), method="complex-step")
    array([[2., 0.],
           [0., 4.]])
    """
    value, error, function, point = _first(
        f, x, method, step, args, bounds, n_threads, return_error, scalar=False, sparsity=sparsity
    )
    if hasattr(sparsity, "tocsc"):
        return (value, error) if return_error else value
    shape = function.shape + point.shape
    value, error = (_like(np.ascontiguousarray(part).reshape(shape), x) for part in (value, error))
    return (value, error) if return_error else value


def hessian(
    f: Callable[..., Any],
    x: Any,
    *,
    method: str = "auto",
    step: Any = None,
    args: Any = (),
    bounds: Any = None,
    n_threads: int | None = None,
    return_error: bool = False,
) -> Any:
    r"""The matrix of second derivatives of a function that returns one number; symmetric.

    :math:`(f(i+, j+) + f(i-, j-) - f(i+) - f(i-) - f(j+) - f(j-) + 2 f) / 2 h_i h_j` for every pair of entries, p^2 + p
    calls a step for p entries.

    ================  =========================================================  ===========  =====
    method            each pair                                                  error        steps
    ================  =========================================================  ===========  =====
    ``central``       as above                                                   :math:`h^2`  1
    ``five-point``    extrapolated from two steps                                :math:`h^4`  2
    ``richardson``    extrapolated from four steps                               :math:`h^8`  4
    ``auto``          the same, the scale of each entry by ``gradient`` first    ~ 1e-10      5
    ``complex-step``  central differences, extrapolated from four steps, of the  ~ 1e-12      4
                      complex step's gradient
    ================  =========================================================  ===========  =====

    Parameters
    ----------
    f, x, step, args, bounds, n_threads, return_error
        As in `gradient`; h is by default eps^(1/4), eps^(1/6) and 0.2 of each entry, none being taken for less than
        0.01 of the largest one. With an entry on or near a bound all differences are one-sided.
    method : {"auto", "central", "five-point", "richardson", "complex-step"}, default="auto"

    Returns
    -------
    hessian : ndarray of shape x.shape + x.shape, or float
    error : of the same shape
        Only with `return_error`.

    Raises
    ------
    ValueError, TypeError
        As `gradient`.

    Notes
    -----
    An f that ignores its argument is dealt with as in `gradient`.

    References
    ----------
    Abramowitz and Stegun, Handbook of Mathematical Functions, 25.3.24 and 25.3.27.

    Examples
    --------
    >>> import mlcore, numpy as np
    >>> mlcore.hessian(lambda v: v[0] ** 2 * v[1], np.array([1.0, 2.0])).round(6)
    array([[4., 2.],
           [2., 0.]])
    """
    check_choice(method, "method", METHODS)
    check_threads(n_threads)
    point = _point(x)
    args = args if isinstance(args, tuple) else (args,)
    p = point.size
    if p == 0:
        empty = np.empty(point.shape + point.shape)
        return (empty, empty.copy()) if return_error else empty
    if method == "complex-step":

        def slopes(moved: Any, *more: Any) -> Any:
            return gradient(f, moved, method="complex-step", args=more)

        value, error = jacobian(
            slopes,
            point,
            method="richardson",
            step=step,
            args=args,
            bounds=bounds,
            n_threads=n_threads,
            return_error=True,
        )
        value, error = value.reshape(p, p), error.reshape(p, p)
        value, error = 0.5 * (value + value.T), np.maximum(error, error.T)
    else:

        def differentiate(function: Function) -> tuple[Floats, Floats]:
            return _second_of(function, point, method, step, bounds, return_error)

        (value, error), _ = _wherever_f_looks(differentiate, f, x, point, args, True, n_threads, method)
    value, error = (_like(part.reshape(point.shape + point.shape), x) for part in (value, error))
    return (value, error) if return_error else value


def _point(x: Any) -> Floats:
    point: Floats = as_float_array(x, "x", np.float64)
    return point.copy()


def _like(values: NDArray[Any], x: Any) -> Any:
    """A float for a plain number x."""
    return float(values) if values.ndim == 0 and not isinstance(x, np.ndarray) else values


def _first(
    f: Callable[..., Any],
    x: Any,
    method: str,
    step: Any,
    args: Any,
    bounds: Any,
    n_threads: int | None,
    with_error: bool,
    *,
    scalar: bool,
    sparsity: Any = None,
) -> tuple[Any, Any, Function, Floats]:
    """First derivatives (m, p), their errors, the function, and the point."""
    check_choice(method, "method", METHODS)
    check_threads(n_threads)
    point = _point(x)
    if scalar and point.size == 0:
        empty = np.empty((1, 0))
        return empty, empty, Function(lambda _: 0.0, point, (), True, 1), point
    args = args if isinstance(args, tuple) else (args,)

    def differentiate(function: Function) -> tuple[Any, Any]:
        return _first_of(function, point, method, step, bounds, with_error, sparsity)

    (value, error), function = _wherever_f_looks(differentiate, f, x, point, args, scalar, n_threads, method)
    return value, error, function, point


def _wherever_f_looks(
    differentiate: Callable[[Function], _Found],
    f: Callable[..., Any],
    x: Any,
    point: Floats,
    args: tuple[Any, ...],
    scalar: bool,
    n_threads: int | None,
    method: str,
) -> tuple[_Found, Function]:
    """What `differentiate` finds by moving copies of x, or x itself if f turns out to read that instead."""
    function = Function(f, point, args, scalar, n_threads)
    found = differentiate(function)
    if function.is_still and function.value.size:
        can_move = is_movable(x) and not is_jitted(f) and method != "complex-step" and not function.shares
        if not can_move:
            warn_if_ignored(f, x)
        elif point.size:
            function = Function(f, point, args, scalar, 1, inside=x)
            found = differentiate(function)
    return found, function


def _first_of(
    function: Function, point: Floats, method: str, step: Any, bounds: Any, with_error: bool, sparsity: Any
) -> tuple[Any, Any]:
    """First derivatives (m, p) by a method, and their errors."""
    m, p = function.value.size, point.size
    moves, owner = (Moves.single(p), None) if sparsity is None else groups(sparsity, m, p)
    by_real_steps = "auto" if method == "complex-step" else method
    columns = COLUMNS[by_real_steps]
    rows = columns + (with_error and method != "auto")
    real_step = None if method == "complex-step" else step
    steps = Steps(point, by_real_steps, real_step, bounds, order=1, rows=rows, epsilon=function.epsilon)
    differences = FirstDifferences(function, point, steps, moves, owner)
    value, error = np.zeros((len(moves), m)), np.zeros((len(moves), m))
    if len(moves) == 0 or m == 0:
        pass
    elif method == "complex-step":
        value = differences.complex_step(step)
        error = 8.0 * EPSILON * np.abs(value)
    elif method == "auto":
        value, error, _ = _searched(differences, function)
    else:
        # from one side it takes twice as many terms
        for sided, more in ((False, 0), (True, columns)):
            chosen = np.flatnonzero(differences.is_sided == sided)
            if chosen.size:
                value[chosen], error[chosen] = extrapolate(
                    differences, chosen, differences.power[chosen], columns + more, rows + more
                )
    if owner is None:
        return value.T, error.T
    as_sparse = hasattr(sparsity, "tocsc")
    return _ungrouped(value, owner, p, as_sparse), _ungrouped(error, owner, p, as_sparse)


def _second_of(
    function: Function, point: Floats, method: str, step: Any, bounds: Any, with_error: bool
) -> tuple[Floats, Floats]:
    """Second derivatives (p, p) by a real method, and their errors."""
    p, columns = point.size, COLUMNS[method]
    rows = columns + (with_error or method == "auto")
    steps = Steps(point, method, step, bounds, order=2, rows=rows, epsilon=function.epsilon)
    if method == "auto":
        firsts = FirstDifferences(function, point, steps, Moves.single(p))
        _, unknown, factor = _searched(firsts, function, poor=1e-4)
        steps.first = steps.first * factor
    seconds = SecondDifferences(function, point, steps)
    if seconds.is_sided:  # each term of the error is a power of h, not of its square
        more = min(columns, 3)
        columns, rows = columns + more, rows + more
    pairs, wrong = extrapolate(seconds, np.arange(seconds.rows.size), seconds.power, columns, rows)
    if method == "auto":  # without a first derivative there is no second one
        is_lost = np.isinf(unknown[:, 0])
        wrong[is_lost[seconds.rows] | is_lost[seconds.columns]] = np.inf
    value, error = np.empty((p, p)), np.empty((p, p))
    for matrix, found in ((value, pairs), (error, wrong)):
        matrix[seconds.rows, seconds.columns] = matrix[seconds.columns, seconds.rows] = found[:, 0]
    return value, error


def _searched(differences: FirstDifferences, function: Function, poor: float = 1e-9) -> tuple[Floats, Floats, Floats]:
    limits = np.minimum(differences.least, 1.0), np.maximum(differences.most, 1.0)
    is_defined, scale = np.isfinite(function.value), np.abs(function.value)
    return search(differences, differences.power, limits, differences.typical, is_defined, scale, poor)


def _ungrouped(values: Floats, owner: NDArray[np.intp], p: int, as_sparse: bool) -> Any:
    from scipy.sparse import csr_array

    group, row = np.nonzero(owner >= 0)
    found = csr_array((values[group, row], (row, owner[group, row])), shape=(owner.shape[1], p))
    return found if as_sparse else found.toarray()


def _number(value: Any) -> float:
    if isinstance(value, float):  # NumPy's float64 too
        return float(value)
    if np.size(value) != 1 or np.asarray(value).dtype.kind not in "biuf":
        raise TypeError(
            f"f must return one real number, but returned {type(value).__name__} of shape {np.shape(value)}; sum or "
            "index its result, or differentiate each output on its own."
        )
    return float(value) if np.ndim(value) == 0 else float(np.asarray(value).reshape(-1)[0])


@lru_cache(maxsize=1)
def _compiled_loop() -> Any:
    import numba

    @numba.njit(nogil=True, error_model="numpy")
    def loop(f, point, result, delta):  # type: ignore[no-untyped-def]
        moved, derivatives, common = point.reshape(-1), result.reshape(-1), np.nan
        for i in range(moved.size):
            kept = moved[i]
            moved[i] = kept + delta
            above = float(f(point))
            moved[i] = kept - delta
            below = float(f(point))
            derivatives[i] = (above - below) / (2 * delta)
            moved[i] = kept
            if i == 0:
                common = above
            if not (above == below and above == common):
                common = np.nan
        return common

    return loop


@dataclass(frozen=True)
class GradientCheck:
    """What `check_gradient` found.

    Attributes
    ----------
    max_relative_error : float
        The largest |gradient - difference|, relative to the largest entry of either.
    worst_index : tuple of int
        Where.
    passed : bool
        Whether it is within the tolerance, the rounding of f over delta granted.
    message : str
        Both numbers at the worst entry, and what they differ by; also ``str()`` of this.
    """

    __module__ = "mlcore.derivatives"

    max_relative_error: float
    worst_index: tuple[int, ...]
    passed: bool
    message: str = ""

    def __str__(self) -> str:
        return self.message

    def __bool__(self) -> bool:
        return self.passed


def check_gradient(
    f: Callable[[Any], Any],
    gradient: Callable[[NDArray[Any]], ArrayLike] | ArrayLike,
    x: ArrayLike,
    *,
    delta: float = 1e-5,
    tolerance: float = 1e-6,
) -> GradientCheck:
    """Compare a gradient with central differences of f at x.

    Parameters
    ----------
    f : callable
        As in `numerical_derivative`.
    gradient : callable or array_like
        The gradient at x, or a function that gives it.
    x : array_like
        A point away from kinks of f.
    delta : float, default=1e-5
    tolerance : float, default=1e-6

    Returns
    -------
    GradientCheck
        True in a condition if it passed.

    Raises
    ------
    ValueError
        If the gradient's shape is not x's, or x is empty; else as `numerical_derivative`.

    Notes
    -----
    f receives copies of x; if it ignores them, x itself is moved as `numerical_derivative` would move it.
    """
    point = as_float_array(x, "x", np.float64)
    claimed = np.asarray(gradient(point.copy()) if callable(gradient) else gradient)
    if claimed.dtype.kind not in "biuf":
        raise ValueError(f"the gradient must hold real numbers, but its dtype is {claimed.dtype}.")
    claimed = claimed.astype(np.float64)
    if claimed.shape != point.shape:
        raise ValueError(f"the gradient has shape {claimed.shape}, but x has {point.shape}; they must be the same.")
    if point.size == 0:
        raise ValueError("x is empty: there is nothing to check.")
    check_positive(delta, "delta")
    measured, is_still = _differences_of_copies(f, point, delta, point.ndim == 0)
    if is_still and is_movable(x) and not is_jitted(f):
        measured = _central_differences(f, np.asanyarray(x), delta)[0]
    elif is_still:
        warn_if_ignored(f, x)
    measured = np.asarray(measured)
    error = np.abs(claimed - measured)
    error = np.where(np.isfinite(error), error, np.inf)
    scale = max(float(np.abs(part)[np.isfinite(part)].max(initial=0.0)) for part in (measured, claimed)) or 1.0
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    largest = float(error[worst]) / scale
    value = f(point.copy() if point.ndim else float(point))
    rounding = 4 * epsilon_of(value) * abs(_number(value)) / delta
    place = tuple(int(i) for i in worst)
    granted = tolerance * scale + rounding
    passed = bool(error[worst] <= granted)
    message = (
        f"the gradient at {list(place)} is {claimed[worst]:.9g}, the difference of f {measured[worst]:.9g}: they "
        f"differ by {error[worst]:.2g}, {'within' if passed else 'more than'} the {granted:.2g} granted."
    )
    return GradientCheck(largest, place, passed, message)
