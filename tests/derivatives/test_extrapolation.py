"""The search for a step: digits over all scales, honest errors, few calls; noise, kinks, and ends of the domain."""

import importlib.util
import math
import sys

import numpy as np
import pytest
from conftest import ROOT
from scipy.optimize import rosen, rosen_der, rosen_hess

import mlcore

from .measures import Counted

SMOOTH = {
    "sine": (np.sin, np.cos),
    "exponential": (np.exp, np.exp),
    "cubic": (lambda u: u**3 - 2 * u, lambda u: 3 * u**2 - 2),
    "logarithm": (lambda u: np.log(np.abs(u)), lambda u: 1 / u),
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "bell": (lambda u: np.exp(-u * u), lambda u: -2 * u * np.exp(-u * u)),
    "rational": (lambda u: 1 / (1 + u * u), lambda u: -2 * u / (1 + u * u) ** 2),
    "root": (lambda u: np.sqrt(np.abs(u)), lambda u: 0.5 * np.sign(u) / np.sqrt(np.abs(u))),
    "fast": (lambda u: np.sin(10 * u) + u, lambda u: 10 * np.cos(10 * u) + 1),
    "offset": (lambda u: 1e3 + np.sin(u), np.cos),
}


def scaled(kind, f, slope, s, u):
    """f with arguments, with values, or with an argument of another size than x of scale s: f, x, slope."""
    if kind == "argument":
        return (lambda v: f(v / s)), s * u, slope(u) / s
    if kind == "value":
        return (lambda v: s * f(v)), u, s * slope(u)
    return (lambda v: f((v - u) / s + u)), u, slope(u) / s


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # what a step too large makes of exp is f's to warn of
@pytest.mark.parametrize("kind", ["argument", "value", "hidden"])
def test_auto_over_sixteen_orders_of_scale(kind):
    rng = np.random.default_rng(0)
    digits, calls, covered = [], [], []
    for f, slope in SMOOTH.values():
        for s in 10.0 ** np.arange(-8, 9):
            u = rng.uniform(0.2, 2.5) * rng.choice([-1.0, 1.0])
            g, x, want = scaled(kind, f, slope, s, u)
            counted = Counted(g)
            got, error = mlcore.gradient(counted, x, return_error=True)
            digits.append(-np.log10(max(abs(got - want) / abs(want), 1e-16)))
            calls.append(counted.calls - 1)
            covered.append(abs(got - want) <= 10 * error)
    assert np.median(digits) >= (11 if kind == "hidden" else 13)
    assert np.mean(covered) >= 0.95
    if kind == "hidden":  # nothing at x tells the scale: it has to be found
        assert np.mean(np.array(digits) >= 7) >= 0.95
    else:
        assert np.min(digits) >= 8
        assert np.median(calls) <= 8


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_where_a_function_ends():
    """Near the edge of its domain smaller steps are found; beyond it the result is NaN, and its error infinite."""
    got, error = mlcore.gradient(lambda v: np.sum(np.log(v - 1.0)), np.array([1.001, 3.0]), return_error=True)
    np.testing.assert_allclose(got, [1000, 0.5], rtol=1e-9)
    got, error = mlcore.gradient(lambda v: np.sum(np.sqrt(v)), np.array([-1.0, 4.0]), return_error=True)
    assert np.isnan(got).all()
    assert np.isinf(error).all()


def test_where_nothing_changes():
    """At a minimum, and for entries without effect, a few calls tell."""
    counted = Counted(lambda v: np.sum((v - 1) ** 2))
    np.testing.assert_allclose(mlcore.gradient(counted, np.ones(3)), 0, atol=1e-15)
    assert counted.calls <= 1 + 8 * 3
    counted = Counted(lambda v: v[0] ** 2)
    np.testing.assert_allclose(mlcore.gradient(counted, np.ones(50)), 2 * np.eye(50)[0], atol=1e-13)
    assert counted.calls <= 1 + 8 * 50
    for f in (lambda v: np.sum((v - 1) ** 2), lambda v: 2 * np.sum(np.cosh(v - 1) - 1), lambda v: np.sum(v**2) - 2):
        value, error = mlcore.hessian(f, np.ones(2), return_error=True)
        np.testing.assert_allclose(value, 2 * np.eye(2), atol=1e-8)
        assert (np.abs(value - 2 * np.eye(2)) <= 10 * error + 1e-10).all()
    np.testing.assert_allclose(mlcore.hessian(rosen, np.ones(4)), rosen_hess(np.ones(4)), atol=1e-6)


def test_entries_of_all_sizes():
    """Nearly 0 among ones, of scales of their own, near a bound."""
    x = np.array([1e-17, 1.0, 0.0])
    np.testing.assert_allclose(mlcore.gradient(lambda v: np.sum(np.exp(v)), x), np.exp(x), rtol=1e-10)
    got = mlcore.gradient(lambda v: np.sin(v[0] / 1e-8) + np.sin(v[1] / 1e8), np.array([1e-8, 1e8]))
    np.testing.assert_allclose(got, np.cos(1) * np.array([1e8, 1e-8]), rtol=1e-9)
    x = np.array([1e-12, 1.0])
    got = mlcore.gradient(lambda v: np.sum(np.exp(v)), x, bounds=(0, 2))
    np.testing.assert_allclose(got, np.exp(x), rtol=1e-7)
    second = mlcore.hessian(lambda v: np.sum(np.exp(v)), x, bounds=(0, 2))
    np.testing.assert_allclose(second, np.diag(np.exp(x)), atol=1e-3)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of f where it is not defined
def test_outputs_do_not_disturb_each_other():
    x = np.array([1.0])
    got, error = mlcore.jacobian(lambda v: np.array([1e10 * v[0] ** 2, np.sin(1e4 * v[0])]), x, return_error=True)
    want = np.array([[2e10], [1e4 * np.cos(1e4)]])
    np.testing.assert_allclose(got, want, rtol=1e-8)
    assert (np.abs(got - want) <= 10 * error).all()
    got, error = mlcore.jacobian(lambda v: np.array([np.log(-v[0]), np.sin(v[0])]), x, return_error=True)
    assert np.isnan(got[0, 0])
    assert np.isinf(error[0, 0])
    assert got[1, 0] == pytest.approx(np.cos(1), rel=1e-12)
    assert error[1, 0] < 1e-12


def test_a_narrow_peak():
    got, error = mlcore.gradient(lambda v: np.exp(-1e4 * (v - 1) ** 2), 0.9999999, return_error=True)
    assert abs(got - 2e-3) <= min(1e-9, 10 * error)


@pytest.fixture(scope="module")
def zoo():
    """What benchmarks/campaigns/derivatives.py finds, of few draws, by kind."""
    path = ROOT / "benchmarks" / "campaigns" / "derivatives.py"
    spec = importlib.util.spec_from_file_location("derivatives_campaign", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = {}
    for case in module.cases(2):
        found.setdefault(case.kind, []).append(module.differentiated(case))
    return found


def test_errors_are_within_the_estimates(zoo):
    """Whatever f is computed in, however near its domain ends, however far from 0 it is periodic."""
    outcomes = [outcome for part in zoo.values() for outcome in part]
    missed = [outcome for outcome in outcomes if not outcome.is_covered]
    assert len(missed) <= 0.005 * len(outcomes), missed
    exact = "double", "bounded domain", "periodic at Unix times", "sine far from 0"
    for kind in exact:
        wrong = [outcome for outcome in zoo[kind] if not math.isfinite(outcome.error)]
        wrong += [o for o in zoo[kind] if not o.is_covered and abs(o.got - o.case.want) > 1e-9 * abs(o.case.want)]
        assert not wrong, wrong
    for kind, part in zoo.items():
        if kind != "kinks":
            assert np.mean([math.isinf(outcome.error) for outcome in part]) <= 0.01, kind
    noisy = list(zoo)[:10]
    ordinary = [outcome for kind in noisy for outcome in zoo[kind]]
    assert np.median([outcome.calls for outcome in ordinary]) <= 8
    assert np.mean([outcome.is_usable for outcome in ordinary]) >= 0.95
    off = {kind: np.median([abs(o.got / o.case.want - 1.0) for o in zoo[kind]]) for kind in noisy}
    assert off["double"] <= 1e-13
    assert off["12 digits"] <= 1e-9
    for kind in ("single", "single result", "6 decimals", "6 digits", "wobble 1e-7"):
        assert off[kind] <= 1e-4, kind
    for kind in ("half", "3 decimals"):
        assert off[kind] <= 0.05, kind


@pytest.mark.parametrize(
    "f",
    [lambda d: max(d, 0.0), abs, np.sign, lambda d: float(d >= 0), lambda d: d + np.sign(d), lambda d: np.cbrt(d)],
)
@pytest.mark.parametrize("x", [0.0, 1.0, 1e3, 1e-8])
def test_where_there_is_no_derivative(f, x):
    _, error = mlcore.gradient(lambda v: f(v - x), x, return_error=True)
    assert np.isinf(error)


def test_what_does_not_change_has_no_slope():
    """No step reaches beyond a tenth of x, or of the largest entry, to find one."""
    x = np.array([-1.0, -3.0, 1e6])
    for f in (
        lambda v: np.sum(np.maximum(v[:2], 0.0)) + 5.0,
        lambda v: np.sum(np.clip(v[:2], -0.5, 0.5)),
        lambda v: float(np.sum(np.maximum(v[:2].astype(np.float32) - 2, 0))),
        lambda v: 3.7,
    ):
        np.testing.assert_array_equal(mlcore.gradient(f, x), 0.0)


def test_noise_of_some_entries_and_outputs():
    """Each output's noise is its own, and each entry's: of exact ones no digit is lost."""
    x = np.array([0.7, 1.3])

    def f(v):
        return np.array([np.sin(v[0]) + v[1] ** 3, float(np.sin(np.float32(v[0])) * np.float32(v[1])), v[0] * v[1]])

    want = np.array([[np.cos(0.7), 3 * 1.69], [np.cos(0.7) * 1.3, np.sin(0.7)], [1.3, 0.7]])
    got, error = mlcore.jacobian(f, x, return_error=True)
    assert (np.abs(got - want) <= 10 * error).all()
    np.testing.assert_allclose(got[[0, 2]], want[[0, 2]], rtol=1e-11)
    np.testing.assert_allclose(got[1], want[1], rtol=2e-5)
    assert error[[0, 2]].max() < 1e-9
    got, error = mlcore.gradient(lambda v: float(np.float32(np.exp(v[0]))) + 0.5 * v[1] ** 2, x, return_error=True)
    np.testing.assert_allclose(got, [np.exp(0.7), 1.3], rtol=2e-5)
    assert (np.abs(got - [np.exp(0.7), 1.3]) <= 10 * error).all()
    assert error[1] < 1e-9


def test_hessians_of_noisy_and_of_periodic_functions():
    rng = np.random.default_rng(9)
    computed = {
        "single": lambda f: lambda v: float(f(v.astype(np.float32))),
        "single result": lambda f: lambda v: float(np.float32(f(v))),
        "6 decimals": lambda f: lambda v: round(float(f(v)), 6),
    }

    def f(v):
        return np.sin(v[0]) * np.exp(v[1]) + v[0] ** 2

    for kind, noisy in computed.items():
        covered, off = [], []
        for a, b in rng.uniform(0.4, 2.0, (20, 2)):
            s, c, e = np.sin(a), np.cos(a), np.exp(b)
            want = np.array([[2.0 - s * e, c * e], [c * e, s * e]])
            for method in ("auto", "richardson"):
                got, error = mlcore.hessian(noisy(f), np.array([a, b]), method=method, return_error=True)
                covered += list((np.abs(got - want) <= 10 * error).ravel())
                off.append(np.abs(got - want).max())
        assert np.mean(covered) >= 0.98, kind
        assert np.median(off) <= 0.02, kind
    for period in (1.0, 2.0, 10.0, 60.0):
        rate = 2 * math.pi / period
        for t in 1.7e9 + rng.integers(0, 10**6, 5) + 0.2 * period:
            got = mlcore.hessian(lambda v, p=period, w=rate: math.sin(w * math.fmod(v - 1.7e9, p)), t)
            want = -(rate**2) * math.sin(rate * math.fmod(t - 1.7e9, period))
            assert abs(got - want) <= 1e-6 * rate**2
    for f in (abs, np.sign):
        assert np.isinf(mlcore.hessian(f, 0.0, return_error=True)[1])


def test_gradient_against_scipys_function():
    x = np.random.default_rng(6).normal(size=30)
    got, error = mlcore.gradient(rosen, x, return_error=True)
    np.testing.assert_allclose(got, rosen_der(x), rtol=1e-9, atol=1e-9 * np.abs(rosen_der(x)).max())
    assert (np.abs(got - rosen_der(x)) <= 10 * error).mean() >= 0.95


def test_chance_does_not_pass_for_convergence():
    """Terms that cancel leave noise, which second differences show where first ones happen to agree."""
    rng = np.random.default_rng(7)
    covered = []
    for n in (5, 7, 9):
        terms = [(-1) ** (n - k) * math.comb(n, k) for k in range(n + 1)]
        for x in 1.0 + rng.choice([-1.0, 1.0], 100) * rng.uniform(0.05, 0.6, 100):
            f = lambda v, terms=terms: sum(c * v**k for k, c in enumerate(terms))  # noqa: E731
            got, error = mlcore.gradient(f, x, return_error=True)
            covered.append(abs(got - n * (x - 1) ** (n - 1)) <= 10 * error)
    assert np.mean(covered) >= 0.995


@pytest.mark.parametrize(
    ("f", "slope"), [(np.tanh, lambda x: 1 - np.tanh(x) ** 2), (np.sqrt, lambda x: 0.5 / np.sqrt(x))]
)
def test_a_smooth_function_takes_four_steps(f, slope):
    calls = []
    for x in np.geomspace(0.2, 2.0, 50):
        counted = Counted(f)
        got, error = mlcore.gradient(counted, x, return_error=True)
        assert abs(got - slope(x)) <= 10 * error <= 1e-9 * slope(x)
        calls.append(counted.calls - 1)
    assert np.median(calls) <= 8


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("c", 10.0 ** np.arange(1, 10))
def test_an_end_of_the_domain_costs_few_calls(c):
    """A step that is too large is known by one call."""
    for f, want in ((lambda v: np.arcsin(c * v), c), (lambda v: np.log(1 - c * v), -c)):
        counted = Counted(f)
        got, error = mlcore.gradient(counted, 0.0, return_error=True)
        assert abs(got - want) <= min(10 * error, 1e-9 * c)
        assert counted.calls <= 1 + 24


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("x", [1e3, 1e5, -1e6])
def test_a_near_end_of_the_domain_far_from_zero(x):
    """What x's rounding leaves of such a function is told, not NaN; its bends are noise, and no curvature."""
    for c in [8345481.288189091, *10.0 ** np.random.default_rng(0).uniform(0, 12 - np.log10(abs(x)), 40)]:
        f = lambda v, c=c: np.log((1 + c * (v - x)) / (1 - c * (v - x)))  # noqa: E731
        got, error = mlcore.gradient(f, x, return_error=True)
        assert abs(got - 2 * c) <= 10 * error < 2 * c
