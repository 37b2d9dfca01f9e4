"""Designs whose columns depend on each other: rank and the solution of least norm against exact arithmetic and LAPACK.

`benchmarks/campaigns/rank.py` draws thousands more.
"""

from functools import cache, partial

import numpy as np
import pytest
from kernels.arguments import dtypes

import mlcore
from mlcore import reference


@pytest.mark.parametrize("scale", [1.0, 1e6, 1e-6])
def test_dependent_columns_give_the_least_norm_in_the_users_units(scale):
    rng = np.random.default_rng(2)
    base = rng.standard_normal((50, 2))
    A = np.column_stack([base, base[:, 0] * scale, np.full(50, 3.0)])
    y = base @ [1.0, 2.0] + 4.0
    with pytest.warns(UserWarning, match="rank 2 of 4"):
        model = mlcore.LinearRegression().fit(A, y)
    np.testing.assert_allclose(model.predict(A), y, rtol=1e-9)
    centred = A - A.mean(axis=0)
    wanted = np.linalg.pinv(centred, rcond=1e-10 * min(1, scale)) @ (y - y.mean())
    np.testing.assert_allclose(model.coef_, wanted, rtol=1e-6, atol=1e-9)
    assert model.rank_ == 2


@pytest.mark.parametrize("unit", [1e300, 1e-300])
def test_columns_whose_squares_overflow(unit):
    rng = np.random.default_rng(4)
    A = rng.standard_normal((30, 2))
    model = mlcore.LinearRegression().fit(A * unit, A @ [1.0, 2.0])
    np.testing.assert_allclose(model.coef_ * unit, [1.0, 2.0], rtol=1e-10)


def test_columns_that_are_constant_or_sums_but_for_rounding():
    """Rounding that centring leaves is no direction of its own."""
    rng = np.random.default_rng(5)
    for n in range(5, 60):
        A = np.column_stack([np.full(n, 0.1), rng.standard_normal(n), np.full(n, 3.0)])
        weight = rng.uniform(0.1, 2, n)
        with pytest.warns(UserWarning, match="rank 1 of 3"):
            model = mlcore.LinearRegression().fit(A, A[:, 1], weight)
        np.testing.assert_allclose(model.coef_, [0.0, 1.0, 0.0], atol=1e-12)
        base = rng.standard_normal((n, 2)) + 100.0
        with pytest.warns(UserWarning, match="rank 2 of 3"):
            model = mlcore.LinearRegression().fit(np.column_stack([base, base.sum(axis=1)]), base @ [1.0, 2.0])
        np.testing.assert_allclose(model.coef_, [0.0, 1.0, 1.0], atol=1e-8)


def test_a_large_offset_does_not_lower_the_rank():
    rng = np.random.default_rng(6)
    A = rng.standard_normal((200, 2))
    model = mlcore.LinearRegression().fit(A + 1e9, A @ [1.0, 2.0])
    assert model.rank_ == 2
    np.testing.assert_allclose(model.coef_, [1.0, 2.0], rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 2.0**-600, 2.0**600, 2.0**1010])
def test_an_intercept_that_is_rounding_alone_is_zero(scale):
    """It is what is left of numbers of y's size, hence nothing; one that is small because y is stays."""
    X = np.random.default_rng(0).integers(-9, 10, (50, 4)).astype(float)
    model = mlcore.LinearRegression().fit(X, X @ [1, -1, 1, -1] * scale)
    assert model.intercept_ == 0.0
    model = mlcore.LinearRegression().fit(X, (X @ [1, -1, 1, -1] + 2**-40) * scale)
    assert model.intercept_ == pytest.approx(2**-40 * scale, rel=1e-3)
    model = mlcore.LinearRegression().fit([[-1.0], [0.0], [1.0]], np.array([1e-30, 2e-30, 3e-30]) * scale)
    assert model.intercept_ == pytest.approx(2e-30 * scale, rel=1e-14, abs=0)


MODELS = [mlcore.LinearRegression, lambda **options: mlcore.Ridge(0.0, **options)]


def at_once(model, X, y, weight):
    return model().fit(X, y, weight)


def in_chunks(model, X, y, weight):
    fitted = model()
    for rows in (slice(None, len(X) // 2), slice(len(X) // 2, None)):
        if len(X[rows]) and weight[rows].any():
            fitted.partial_fit(X[rows], y[rows], weight[rows])
    return fitted


def merged(model, X, y, weight):
    fitted = model()
    for rows in (slice(None, len(X) // 3), slice(len(X) // 3, None)):
        if len(X[rows]) and weight[rows].any():
            fitted.merge(model().fit(X[rows], y[rows], weight[rows]))
    return fitted


@cache
def designs(draws, dtype=np.float64):
    """Designs, each with its coefficients, intercepts and rank.

    Whole numbers: n < p, n = p, n = p + 1, many rows of dependent columns; some far from zero, some in other units.
    """
    rng, found = np.random.default_rng(1), []
    for draw in range(draws):
        p = int(rng.integers(2, 8))
        n = (int(rng.integers(1, p)), p, p + 1, 2 * p + 3)[draw % 4]
        X = rng.integers(-3, 4, (n, p)).astype(dtype)
        if draw % 4 == 3:
            r = int(rng.integers(1, p))
            X = X[:, :r] @ rng.integers(-2, 3, (r, p)).astype(dtype)
        if draw % 3 == 0:
            X += dtype(1000) * rng.integers(-1, 2, p).astype(dtype)
        elif draw % 3 == 1:
            X *= dtype(2) ** rng.integers(-12, 13, p).astype(dtype)
        y = rng.integers(-5, 6, (n, 2) if draw % 5 == 0 else n).astype(float)
        weight = rng.integers(0, 3, n) if draw % 7 < 3 else np.ones(n)
        if weight.any():
            rows = X, y, weight.astype(float)
            found.append((*rows, bool(draw % 2), exactly(*rows, bool(draw % 2))))
    return found


def exactly(X, y, weight, fit_intercept):
    return reference.least_norm(X, y, sample_weight=weight, fit_intercept=fit_intercept)


def check(model, X, y, wanted, rtol=1e-12):
    W, b, rank = wanted
    assert getattr(model, "rank_", rank) == rank
    found = np.asarray(model.coef_, float).reshape(-1, X.shape[1]).T
    assert np.linalg.norm(found - W) <= rtol * np.linalg.norm(W)
    size = np.abs(y).max() + np.abs(X).max(axis=0) @ np.abs(W).max(axis=1)
    np.testing.assert_allclose(np.broadcast_to(model.intercept_, b.shape), b, atol=rtol * size)


@pytest.mark.filterwarnings("ignore:X has rank")
@pytest.mark.parametrize("way", [at_once, in_chunks, merged])
@pytest.mark.parametrize("model", MODELS, ids=["LinearRegression", "Ridge(0)"])
def test_rank_and_least_norm(model, way, backend):
    for X, y, weight, fit_intercept, wanted in designs(60)[: 12 if backend == "python" else None]:
        check(way(partial(model, fit_intercept=fit_intercept), X, y, weight), X, y, wanted)


@pytest.mark.filterwarnings("ignore:X has rank")
def test_rank_and_least_norm_in_single_precision():
    """Numbers that float32 holds, solved in pairs of doubles: the rounding of the answer is all that is lost."""
    for X, y, weight, fit_intercept, wanted in designs(60, np.float32):
        model = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight)
        assert model.coef_.dtype == np.float32
        check(model, X, y, wanted, rtol=3e-7)


@pytest.mark.filterwarnings("ignore:X has rank")
@pytest.mark.parametrize("power", [4, 12, 20, 26])
def test_columns_that_nearly_depend_on_each_other_beside_those_that_do(power, backend):
    """A condition of 2^power of the independent columns costs no digits; LAPACK's doubles lose as many."""
    rng = np.random.default_rng(2)
    for fit_intercept in (True, False):
        A = rng.integers(-3, 4, (12, 4)).astype(float)
        A[:, 3] = A[:, 0] - A[:, 1] + A[:, 3] * 2.0**-power
        X = np.column_stack([A, A @ rng.integers(1, 3, (4, 3))])[:, rng.permutation(7)]
        y = rng.integers(-5, 6, 12).astype(float)
        model = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y)
        check(model, X, y, exactly(X, y, None, fit_intercept))


@pytest.mark.filterwarnings("ignore:X has rank")
def test_units_do_not_decide_what_counts(backend):
    """Columns are held against their own length: of a small unit, far from zero, or both beside each other."""
    rng = np.random.default_rng(8)
    A = rng.integers(-9, 10, (9, 4)).astype(float)
    far = A[:, 0] + 2.0**20
    designs = (
        # 2^-33 as long as the rounding of the first
        [far * 2.0**20, A[:, 1] * 2.0**-24],
        [far * 2.0**-24, A[:, 1] * 2.0**20, A[:, 2] * 2.0**-30],
        # depending on each other, far from zero and near it
        [far, 2.0**21 - far, A[:, 1] / 8, A[:, 0] / 8 - A[:, 1]],
        # what rounding leaves of the third is longer than the first
        [A[:, 0] * 2.0**-31, A[:, 1] * 2.0**24, A[:, 1] * 2.0**32],
        [A[:, 2] * 2.0**-31, A[:, 0] * 2.0**24, (A[:, 0] + A[:, 1]) * 2.0**30, A[:, 1] * 2.0**22],
    )
    for columns in designs:
        for fit_intercept in (True, False):
            X, y = np.column_stack(columns), rng.integers(-5, 6, 9).astype(float)
            model = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y)
            check(model, X, y, exactly(X, y, None, fit_intercept))


@pytest.mark.filterwarnings("ignore:X has rank")
@pytest.mark.parametrize("shape", [(60, 61), (60, 90)], ids=str)
def test_no_more_columns_count_than_rows(shape):
    """Neither where sums are plain and y is constant, so that nothing hangs on the coefficients."""
    for seed in range(5):
        X = np.random.default_rng(seed).standard_normal(shape)
        for y, fit_intercept in ((np.ones(60), True), (np.zeros(60), False)):
            model = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y)
            assert model.rank_ == 60 - fit_intercept
            assert not model.coef_.any()


@pytest.mark.filterwarnings("ignore:X has rank")
def test_a_small_part_of_its_own_makes_a_column_count(backend):
    """2^-43 of its length, 512 times the rounding of doubles: more than few rows and columns count for."""
    a, b = np.random.default_rng(9).integers(-(2**10), 2**10, (2, 12)).astype(float)
    for fit_intercept in (True, False):
        for part, rank in ((2.0**-43, 2), (0.0, 1)):
            X = np.column_stack([a, a + b * part])
            assert mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, b).rank_ == rank
    # multiples by -3/4 and by 1/3, of which rounding in pairs leaves more than twice that of doubles
    for column, multiple in (
        ([-7439153848960.0, 1473474162107132.0], [5579365386720.0, -1105105621580349.0]),
        ([52493379880197.0, 172119275452836.0], [17497793293399.0, 57373091817612.0]),
    ):
        X = np.column_stack([column, multiple])
        assert mlcore.LinearRegression(fit_intercept=False).fit(X, [1.0, 2.0]).rank_ == 1


def test_the_order_of_columns_does_not_decide_the_rank():
    """A column that is another one far from zero, rounded there, depends on it from either side."""
    a = np.random.default_rng(3).standard_normal(50)
    for columns in ([a, a + 1e9], [a + 1e9, a]):
        with pytest.warns(UserWarning, match="rank 1 of 2"):
            assert mlcore.LinearRegression().fit(np.column_stack(columns), a).rank_ == 1


@pytest.mark.parametrize("shape", [(5, 8), (10, 12), (12, 12), (60, 61), (80, 110)], ids=str)
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gaussian_designs_against_lapack(fit_intercept, offset, shape):
    rng = np.random.default_rng(4)
    for _ in range(40 if shape[0] < 20 else 1):
        X, y = rng.standard_normal(shape) + offset, rng.standard_normal(shape[0])
        model = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y)
        exact = X.astype(np.longdouble)
        rows = (exact - exact.mean(axis=0) * fit_intercept).astype(float)
        rank = min(shape[0] - fit_intercept, shape[1])
        U, singular, V = np.linalg.svd(rows, full_matrices=False)
        wanted = V[:rank].T @ (U[:, :rank].T @ (y - y.mean() * fit_intercept) / singular[:rank])
        assert model.rank_ == rank
        rtol = 1e-14 * max(1e3, singular[0] / singular[rank - 1])
        assert np.linalg.norm(model.coef_ - wanted) <= rtol * np.linalg.norm(wanted)
        np.testing.assert_allclose(model.singular_[:rank], singular[:rank], rtol=rtol)


@pytest.mark.filterwarnings("ignore:X has rank")
def test_small_penalties_join_what_has_the_least_norm():
    """From nothing to what Cholesky's factor bears, in all units."""
    rng = np.random.default_rng(5)
    for draw, (X, y, weight, fit_intercept, _) in enumerate(designs(60)):
        alpha = 10.0 ** rng.integers(-40, 2)
        W, _ = reference.least_squares(X, y, sample_weight=weight, fit_intercept=fit_intercept, alpha=alpha)
        model = mlcore.Ridge(alpha, fit_intercept=fit_intercept).fit(X, y, weight)
        found = model.coef_.reshape(-1, X.shape[1]).T
        assert np.linalg.norm(found - W) <= 1e-12 * np.linalg.norm(W), draw


def wide(offset, units=False, n=25, p=1030):
    rng = np.random.default_rng(6)
    X, y = rng.standard_normal((n, p)) + offset, rng.standard_normal((n, 2)) + 5.0
    return (X * 2.0 ** rng.integers(-40, 41, p) if units else X), y


def by_singular_values(X, y, weight, fit_intercept, alpha):
    """The penalised or shortest solution, from rows centred in extended precision; and what their condition costs."""
    weight = np.ones(len(X)) if weight is None else weight
    X, y = X[weight > 0].astype(np.longdouble), y[weight > 0].astype(np.longdouble)
    root = np.sqrt(weight[weight > 0]).astype(np.longdouble)[:, np.newaxis]
    means = [((root**2 * part).sum(axis=0) / (root**2).sum()) * fit_intercept for part in (X, y)]
    rows, T = (((part - mean) * root).astype(float) for part, mean in zip((X, y), means, strict=True))
    U, singular, V = np.linalg.svd(rows, full_matrices=False)
    rank = min(len(X) - fit_intercept, X.shape[1])
    U, singular, V = U[:, :rank], singular[:rank], V[:rank]
    W = V.T @ ((singular / (singular**2 + alpha))[:, np.newaxis] * (U.T @ T))
    return W, (means[1] - means[0] @ W).astype(float), 1e-14 * singular[0] / singular[-1]


@pytest.mark.parametrize("alpha", [0.0, 1e-30, 3.0])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("offset", [0.0, 1000.0, 1e6])
def test_wide_designs(offset, fit_intercept, weighted, alpha):
    X, y = wide(offset)
    weight = np.random.default_rng(7).integers(0, 3, len(X)).astype(float) if weighted else None
    model = mlcore.Ridge(alpha, fit_intercept=fit_intercept).fit(X, y, weight)
    W, b, rtol = by_singular_values(X, y, weight, fit_intercept, alpha)
    assert np.linalg.norm(model.coef_.T - W) <= rtol * np.linalg.norm(W)
    np.testing.assert_allclose(model.intercept_, b * fit_intercept, rtol=1e-9, atol=1e-15 * offset * np.abs(W).sum())
    if alpha == 0:
        plain = mlcore.LinearRegression(fit_intercept=fit_intercept).fit(X, y, weight)
        np.testing.assert_array_equal(plain.coef_, model.coef_)
        rows = len(X) if weight is None else np.count_nonzero(weight)
        assert plain.rank_ == rows - fit_intercept
        assert plain.singular_.shape == (rows,)


def test_units_do_not_decide_the_rank_of_wide_designs():
    X, y = wide(0.0, units=True)
    assert mlcore.LinearRegression().fit(X, y).rank_ == 24
    X[:, 130:] = X[:, :900] * 4.0
    X[:, 30:130] = 0.0
    model = mlcore.LinearRegression(fit_intercept=False).fit(X, y[:, 0])
    W, _, rank = reference.least_norm(X[:6, ::150], y[:6, 0], fit_intercept=False)
    few = mlcore.LinearRegression(fit_intercept=False).fit(X[:6, ::150], y[:6, 0])
    assert few.rank_ == rank
    np.testing.assert_allclose(few.coef_, W[:, 0], rtol=1e-12, atol=1e-14 * np.abs(W).max())
    np.testing.assert_allclose(X @ model.coef_, y[:, 0], rtol=1e-9)


def test_wide_designs_of_dependent_rows_and_extreme_units():
    X, y = wide(3.0, n=12)
    X[6:], y[6:] = X[:6], y[:6]
    for unit in (1.0, 1e300, 1e-300):
        with pytest.warns(UserWarning, match="rank 5 of 1030"):
            model = mlcore.LinearRegression().fit(X * unit, y)
        W, b, _ = by_singular_values(X[:6], y[:6], None, True, 0.0)
        np.testing.assert_allclose(model.coef_.T * unit, W, rtol=0, atol=1e-13 * np.abs(W).max())
        np.testing.assert_allclose(model.intercept_, b, rtol=1e-12)
    with pytest.raises(ValueError, match="scale"):
        mlcore.LinearRegression(fit_intercept=False).fit(X * 1e-310, y * 1e10)


@pytest.mark.parametrize("alpha", [0.0, 2.5])
@pytest.mark.parametrize("fit_intercept", [True, False])
@dtypes
def test_fits_against_exact_arithmetic(dtype, fit_intercept, alpha, backend):
    """The way from rows to coefficients, far from zero: the last digits are right."""
    rng = np.random.default_rng(8)
    X = np.array([1e6, -3e4, 7.0]) + rng.standard_normal((40, 3))
    X[:, 2] += X[:, 1]
    X, y = X.astype(dtype), rng.standard_normal((40, 2)) + 1e5
    weight = rng.uniform(0, 2, 40).astype(dtype)
    model = mlcore.Ridge(alpha, fit_intercept=fit_intercept) if alpha else mlcore.LinearRegression(
        fit_intercept=fit_intercept
    )  # fmt: skip
    model.fit(X, y, weight)
    W, b = reference.least_squares(X, y, sample_weight=weight, fit_intercept=fit_intercept, alpha=alpha)
    rtol = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(model.coef_, W.T, rtol=rtol)
    np.testing.assert_allclose(model.intercept_, b if fit_intercept else 0.0, rtol=rtol)
