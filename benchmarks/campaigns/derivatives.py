"""Gradients by ``auto`` of functions whose derivatives are known, computed exactly or with noise; counts of the faults.

Functions of one number at drawn points, with arguments and values of many sizes, computed in double precision, in
single or half precision behind a Python float, rounded to decimals or digits, or with terms that cancel; odd functions
whose domain ends nearby; periodic ones far from zero; functions without a derivative. Every number is drawn from one
seed. A case is covered if its error is within 10 times the estimate.
"""

from __future__ import annotations

import argparse
import math
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import mlcore

Scalar = Callable[[Any], Any]


class Case(NamedTuple):
    """A function of a number, where it is differentiated, and what is right (NaN: nothing is)."""

    kind: str
    name: str
    f: Scalar
    x: float
    want: float


class Outcome(NamedTuple):
    """What `auto` gave."""

    case: Case
    got: float
    error: float
    calls: int

    @property
    def is_covered(self) -> bool:
        if math.isnan(self.case.want):
            return math.isinf(self.error)
        return abs(self.got - self.case.want) <= 10.0 * self.error + 1e-300

    @property
    def is_usable(self) -> bool:
        """Whether there is an estimate where there is a derivative, and it is not far larger than the error."""
        off = abs(self.got - self.case.want)
        return self.error <= max(1e3 * off, 1e-10 * abs(self.case.want))


# a function, and its derivative
SMOOTH: dict[str, tuple[Scalar, Scalar]] = {
    "sine": (np.sin, np.cos),
    "cosine": (np.cos, lambda u: -np.sin(u)),
    "exponential": (np.exp, np.exp),
    "cubic": (lambda u: u * u * u - 2 * u, lambda u: 3 * u**2 - 2),
    "square": (lambda u: u * u, lambda u: 2 * u),
    "linear": (lambda u: 3 * u + 1, lambda u: 3.0),
    "logarithm": (lambda u: np.log(np.abs(u)), lambda u: 1 / u),
    "tanh": (np.tanh, lambda u: 1 - np.tanh(u) ** 2),
    "bell": (lambda u: np.exp(-u * u), lambda u: -2 * u * np.exp(-u * u)),
    "rational": (lambda u: 1 / (1 + u * u), lambda u: -2 * u / (1 + u * u) ** 2),
    "root": (lambda u: np.sqrt(np.abs(u)), lambda u: 0.5 * np.sign(u) / np.sqrt(np.abs(u))),
    "fast": (lambda u: np.sin(10 * u) + u, lambda u: 10 * np.cos(10 * u) + 1),
    "faster": (lambda u: np.sin(100 * u), lambda u: 100 * np.cos(100 * u)),
    "softplus": (lambda u: np.log1p(np.exp(u)), lambda u: 1 / (1 + np.exp(-u))),
    "power": (lambda u: np.abs(u) ** 2.5, lambda u: 2.5 * np.sign(u) * np.abs(u) ** 1.5),
    "offset": (lambda u: 100 + np.sin(u), np.cos),
    "far offset": (lambda u: 1e8 + np.sin(u), np.cos),
}


def in_single(f: Scalar, v: float) -> float:
    return float(f(np.float32(v)))


def in_half(f: Scalar, v: float) -> float:
    return float(np.float16(f(np.float32(np.float16(v)))))


def wobbling(f: Scalar, size: float, v: float) -> float:
    """With noise that follows from the bits of v."""
    return float(f(v)) * (1.0 + size * (zlib.crc32(struct.pack("d", v)) / 2**31 - 1.0))


# how a value is computed: the function of the argument, which of the functions above can bear it
NOISE: dict[str, Callable[[Scalar], Scalar]] = {
    "double": lambda f: lambda v: float(f(v)),
    "single": lambda f: partial(in_single, f),
    "single result": lambda f: lambda v: float(np.float32(f(v))),
    "half": lambda f: partial(in_half, f),
    "6 decimals": lambda f: lambda v: round(float(f(v)), 6),
    "3 decimals": lambda f: lambda v: round(float(f(v)), 3),
    "6 digits": lambda f: lambda v: float(f"{float(f(v)):.6g}"),
    "12 digits": lambda f: lambda v: float(f"{float(f(v)):.12g}"),
    "wobble 1e-7": lambda f: partial(wobbling, f, 1e-7),
    "wobble 1e-10": lambda f: partial(wobbling, f, 1e-10),
}
COARSE = {"half": 2e-3, "3 decimals": 1e-3, "6 decimals": 1e-6, "6 digits": 1e-5, "single": 1e-6, "single result": 1e-6}


def noisy(rng: np.random.Generator, draws: int) -> Iterator[Case]:
    """Every function by every computation, with arguments and values of several sizes."""
    for kind, computed in NOISE.items():
        for name, (f, slope) in SMOOTH.items():
            for _ in range(draws):
                u = float(rng.uniform(0.2, 2.5) * rng.choice([-1.0, 1.0]))
                s = float(10.0 ** rng.integers(-3, 4)) if kind != "half" else float(10.0 ** rng.integers(-1, 2))
                size = float(10.0 ** rng.integers(-1, 3)) if kind != "half" else 1.0
                if kind == "double":
                    s, size = float(10.0 ** rng.integers(-8, 9)), float(10.0 ** rng.integers(-8, 9))
                want = size * float(slope(u))
                step = COARSE.get(kind, 0.0) * (1.0 if "decimals" in kind else size * abs(float(f(u))))
                # what moves by less than some roundings within a tenth of x cannot be differentiated by anybody
                if step > 0.02 * abs(want * u):
                    continue
                g = computed(lambda v, f=f, s=s, size=size: size * f(v / s))
                yield Case(kind, name, g, s * u, want / s)


def polynomial(rng: np.random.Generator, draws: int) -> Iterator[Case]:
    """Powers of x - 1, expanded, near 1: the terms cancel."""
    for n in (5, 7, 9):
        terms = [(-1) ** (n - k) * math.comb(n, k) for k in range(n + 1)]
        for _ in range(draws * 4):
            x = 1.0 + float(rng.choice([-1.0, 1.0]) * rng.uniform(0.05, 0.6))
            yield Case("cancelling", f"(x - 1)^{n}", partial(_sum, terms), x, n * (x - 1) ** (n - 1))


def _sum(terms: list[int], v: float) -> float:
    return float(sum(c * v**k for k, c in enumerate(terms)))


def _arcsin(v: float) -> float:
    return float(np.arcsin(v))


# odd about 0, undefined beyond 1: the slope at 0 of each is the number
BOUNDED: dict[str, tuple[Scalar, float]] = {
    "arcsin": (np.arcsin, 1.0),
    "arctanh": (np.arctanh, 1.0),
    "x / sqrt(1 - x^2)": (lambda u: u / np.sqrt(1 - u * u), 1.0),
    "log((1 + x)/(1 - x))": (lambda u: np.log((1 + u) / (1 - u)), 2.0),
    "x sqrt(1 - x^2)": (lambda u: u * np.sqrt(1 - u * u), 1.0),
    "tan, cut": (lambda u: np.where(np.abs(u) < 1, np.tan(u), np.nan)[()], 1.0),
    "sqrt(1 + x) - sqrt(1 - x)": (lambda u: np.sqrt(1 + u) - np.sqrt(1 - u), 1.0),
    "logit": (lambda u: np.log((0.5 + u) / (0.5 - u)), 4.0),
}


def bounded(rng: np.random.Generator, draws: int) -> Iterator[Case]:
    for name, (f, slope) in BOUNDED.items():
        for x in (0.0, 1.0, -1.0, 1e3, 1e-3):
            for power in rng.uniform(0, 9, draws * 2):
                c = float(10.0**power)
                if abs(x) * c > 1e11:
                    continue
                yield Case("bounded domain", name, (lambda v, f=f, c=c, x=x: float(f(c * (v - x)))), x, c * slope)


def periodic(rng: np.random.Generator, draws: int) -> Iterator[Case]:
    for k in range(draws * 20):
        origin, t = 1.7e9, 1.7e9 + float(rng.integers(0, 10**6)) + float(rng.choice([0.0, 0.5]))
        period = float(rng.choice([1, 2, 5, 10, 15, 30, 60])) if k % 2 else float(10.0 ** rng.uniform(-3, 6))
        rate = 2 * math.pi / period
        # the phase in units of the period, exactly: t - origin and its remainder are
        phase = 2 * math.pi * (math.fmod(t - origin, period) / period)
        f = lambda v, o=origin, p=period: math.sin(2 * math.pi * (math.fmod(v - o, p) / p))  # noqa: E731
        if k % 3 == 0:
            f = lambda v, o=origin, p=period: math.sin(2 * math.pi * (v - o) / p)  # noqa: E731
            phase = 2 * math.pi * (t - origin) / period
        slope = math.cos(phase)
        yield Case("periodic at Unix times", f"period {period:.3g}", f, t, rate * slope if abs(slope) > 1e-9 else 0.0)
    for power in np.repeat(np.arange(2, 15.1, 0.5), draws):
        x = float(10.0**power * rng.uniform(0.3, 1))
        yield Case("sine far from 0", f"sin at {x:.2g}", math.sin, x, math.cos(x))


KINKS: dict[str, tuple[Scalar, float]] = {
    "|x - a|": (lambda d: abs(d), math.nan),
    "sign": (lambda d: float(np.sign(d)), math.nan),
    "step": (lambda d: float(d >= 0), math.nan),
    "x + sign": (lambda d: d + float(np.sign(d)), math.nan),
    "half steps": (lambda d: float(np.heaviside(d, 0.5)), math.nan),
    "relu": (lambda d: max(d, 0.0), math.nan),
    "sqrt": (lambda d: math.sqrt(d) if d >= 0 else math.nan, math.nan),
    "cube root": (lambda d: float(np.cbrt(d)), math.nan),
    "sin + |x|": (lambda d: math.sin(d) + abs(d), math.nan),
    "x |x|": (lambda d: d * abs(d), 0.0),
    "cube": (lambda d: d * d * d, 0.0),
    "square": (lambda d: d * d, 0.0),
    "fifth power": (lambda d: d**5, 0.0),
    "constant": (lambda d: 3.7, 0.0),
    "zero": (lambda d: 0.0, 0.0),
    "clip": (lambda d: float(np.clip(d + 5, 0, 1)), 0.0),
    "dead unit": (lambda d: float(np.maximum(np.float32(d - 5), 0)), 0.0),
}


def edges(rng: np.random.Generator, draws: int) -> Iterator[Case]:
    for name, (f, want) in KINKS.items():
        for x in (0.0, 1.0, -2.0, 1e3, 1e-8):
            yield Case("kinks", name, (lambda v, f=f, x=x: f(v - x)), x, want)


def hidden(rng: np.random.Generator, draws: int) -> Iterator[Case]:
    """Where nothing at x tells the scale."""
    for name, (f, slope) in SMOOTH.items():
        if "offset" in name:
            continue
        for power in rng.uniform(-8, 3, draws):
            u, s = float(rng.uniform(0.2, 2.5) * rng.choice([-1.0, 1.0])), float(10.0**power)
            yield Case(
                "hidden scale", name, (lambda v, f=f, s=s, u=u: float(f((v - u) / s + u))), u, float(slope(u)) / s
            )


def cases(draws: int, seed: int = 0) -> Iterator[Case]:
    for kind in (noisy, polynomial, bounded, periodic, edges, hidden):
        yield from kind(np.random.default_rng(seed), draws)


def differentiated(case: Case, **options: Any) -> Outcome:
    calls = 0

    def counted(v: Any) -> Any:
        nonlocal calls
        calls += 1
        return case.f(float(v))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        got, error = mlcore.gradient(counted, case.x, return_error=True, **options)
    return Outcome(case, got, error, calls - 1)


def line(kind: str, outcomes: list[Outcome]) -> str:
    smooth = [o for o in outcomes if not math.isnan(o.case.want)]
    off = [abs(o.got - o.case.want) for o in smooth]
    relative = [d / abs(o.case.want) if o.case.want else d for d, o in zip(off, smooth, strict=True)]
    stated = [o.error / abs(o.case.want) if o.case.want else o.error for o in smooth]
    infinite = sum(not math.isfinite(o.error) for o in smooth)
    covered = np.mean([o.is_covered for o in outcomes])
    usable = np.mean([o.is_usable for o in smooth])
    calls, missed = np.median([o.calls for o in outcomes]), sum(not o.is_covered for o in outcomes)
    return (
        f"{kind:24s} {len(outcomes):6d} {100 * covered:8.2f} {missed:6d} {infinite:6d} "
        f"{np.median(relative):9.1e} {np.median(stated):9.1e} {100 * usable:7.1f} {calls:6.1f}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10, metavar="N", help="points a function and kind (default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", metavar="KIND", help="list the cases of this kind that are not covered")
    arguments = parser.parse_args()
    found: dict[str, list[Outcome]] = {}
    for case in cases(arguments.draws, arguments.seed):
        if arguments.show in (None, case.kind):
            found.setdefault(case.kind, []).append(differentiated(case))
    print(
        f"{'kind':24s} {'cases':>6s} {'covered%':>8s} {'missed':>6s} {'no est':>6s} {'error':>9s} {'stated':>9s} "
        f"{'usable%':>7s} {'calls':>6s}"
    )
    for kind, outcomes in found.items():
        print(line(kind, outcomes))
    if not arguments.show:
        print(line("with noise or without", [outcome for kind in NOISE for outcome in found[kind]]))
    print(line("all", [outcome for outcomes in found.values() for outcome in outcomes]))
    if arguments.show:
        for outcome in found[arguments.show]:
            if not outcome.is_covered or math.isinf(outcome.error) != math.isnan(outcome.case.want):
                print(
                    outcome.case.name,
                    outcome.case.x,
                    "want",
                    outcome.case.want,
                    "got",
                    outcome.got,
                    "+-",
                    outcome.error,
                    outcome.calls,
                )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
