"""exp, log and their kin as polynomials that every compiler vectorises, and that give the same bits.

Shared source. Relative errors stay within a few units in the last place of the dtype; tests hold them to that.
The exponent of two comes from the mantissa bits of `x log2(e) + 1.5 * 2**52` (2**23 in float32), a sum that rounds to
the nearest integer: no instruction beyond addition and shifts is asked of the CPU.
"""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def held(x: floating) -> floating:
    # x where 2**(x / log(2)) is a normal number
    low: floating = cast(x, -708.0) if wide(x) else cast(x, -87.0)
    high: floating = cast(x, 709.0) if wide(x) else cast(x, 88.0)
    x = low if x < low else x
    return high if x > high else x


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def shifted_quotient(x: floating) -> floating:
    # round(x / log(2)) + 1.5 * 2**52: an integer in the last bits of a float
    magic: floating = cast(x, 6755399441055744.0) if wide(x) else cast(x, 12582912.0)
    return x * cast(x, 1.4426950408889634) + magic


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def exponential_remainder(x: floating, shifted: floating) -> floating:
    # exp(r) - 1 for the remainder r of x over log(2), |r| <= log(2) / 2: Taylor, whose first left-out term is below
    # half a unit in the last place. log(2) is taken in two parts: k times the first is exact
    magic: floating = cast(x, 6755399441055744.0) if wide(x) else cast(x, 12582912.0)
    coarse: floating = cast(x, 0.6931471803691238) if wide(x) else cast(x, 0.693145751953125)
    fine: floating = cast(x, 1.9082149292705877e-10) if wide(x) else cast(x, 1.428606765330187e-06)
    k: floating = shifted - magic
    r: floating = (x - k * coarse) - k * fine
    # pairs of terms and not one after the other: a processor waits less
    r2: floating = r * r
    r4: floating = r2 * r2
    low: floating = cast(r, 0.5) + cast(r, 1.0 / 6.0) * r
    middle: floating = cast(r, 1.0 / 24.0) + cast(r, 1.0 / 120.0) * r
    high: floating = cast(r, 1.0 / 720.0) + cast(r, 1.0 / 5040.0) * r
    if wide(r):
        high = high + r2 * (cast(r, 1.0 / 40320.0) + cast(r, 1.0 / 362880.0) * r)
        high = high + r4 * (
            (cast(r, 1.0 / 3628800.0) + cast(r, 1.0 / 39916800.0) * r)
            + r2 * (cast(r, 1.0 / 479001600.0) + cast(r, 1.0 / 6227020800.0) * r)
        )
    return r2 * ((low + middle * r2) + r4 * high) + r


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def exponential(x: floating) -> floating:
    shifted: floating
    x = held(x)
    shifted = shifted_quotient(x)
    return power_of_two(shifted) * (exponential_remainder(x, shifted) + cast(x, 1.0))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def exponential_minus_one(x: floating) -> floating:
    # without cancellation near 0
    shifted: floating
    scale: floating
    x = held(x)
    shifted = shifted_quotient(x)
    scale = power_of_two(shifted)
    return scale * exponential_remainder(x, shifted) + (scale - cast(x, 1.0))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def logarithm(x: floating) -> floating:
    # x = m 2**e with m in [sqrt(1/2), sqrt(2)); log m by the odd series in (m - 1) / (m + 1), coefficients of fdlibm's
    # e_log.c (error below one unit in the last place). Never asked below the smallest normal number.
    smallest: floating = cast(x, 2.2250738585072014e-308) if wide(x) else cast(x, 1.1754943508222875e-38)
    one: floating = cast(x, 1.0)
    half: floating = cast(x, 0.5)
    coarse: floating = cast(x, 0.6931471803691238) if wide(x) else cast(x, 0.693145751953125)
    fine: floating = cast(x, 1.9082149292705877e-10) if wide(x) else cast(x, 1.428606765330187e-06)
    e: floating
    m: floating
    f: floating
    s: floating
    z: floating
    w: floating
    p: floating
    h: floating
    x = smallest if x < smallest else x
    e = exponent(x)
    m = mantissa(x)
    e = e + one if m > cast(x, 1.4142135623730951) else e
    m = m * half if m > cast(x, 1.4142135623730951) else m
    f = m - one
    s = f / (m + one)
    z = s * s
    w = z * z
    p = cast(x, 1.531383769920937332e-01) + cast(x, 1.479819860511658591e-01) * z
    p = (cast(x, 2.222219843214978396e-01) + cast(x, 1.818357216161805012e-01) * z) + w * p
    p = (cast(x, 3.999999999940941908e-01) + cast(x, 2.857142874366239149e-01) * z) + w * p
    p = (cast(x, 6.666666666666735130e-01) + p * z) * z
    h = half * f * f
    return e * coarse - ((h - (s * (h + p) + e * fine)) - f)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def logarithm_plus_one(x: floating) -> floating:
    # log(1 + x) for x >= 0, the rounding of 1 + x given back
    u: floating = cast(x, 1.0) + x
    return logarithm(u) - ((u - cast(x, 1.0)) - x) / u


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def logistic(x: floating) -> floating:
    return cast(x, 1.0) / (cast(x, 1.0) + exponential(-x))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def normal_distribution(x: floating) -> floating:
    # P(standard normal <= x) = erfc(-x / sqrt(2)) / 2 with erfc(a) = t exp(-a**2 + p(2t - 1)), t = 2 / (2 + a), a >= 0:
    # the form of Numerical Recipes (3rd ed., 6.2.2), p expanded anew (Chebyshev, error 4e-16)
    one: floating = cast(x, 1.0)
    half: floating = cast(x, 0.5)
    a: floating = abs(x) * cast(x, 0.7071067811865476)
    t: floating = (one + one) / (one + one + a)
    y: floating = t + t - one
    p: floating = cast(x, -1.5867042924138042e-09)
    tail: floating
    p = p * y + cast(x, -1.2776086554968677e-08)
    p = p * y + cast(x, 3.972203547273795e-08)
    p = p * y + cast(x, 7.745572408758512e-08)
    p = p * y + cast(x, -3.168341367694147e-07)
    p = p * y + cast(x, -4.146853754663641e-08)
    p = p * y + cast(x, 1.3267813608518889e-06)
    p = p * y + cast(x, -1.409445991433531e-06)
    p = p * y + cast(x, -3.007645434410669e-06)
    p = p * y + cast(x, 8.662535397475538e-06)
    p = p * y + cast(x, 1.699233231227702e-07)
    p = p * y + cast(x, -3.023784054007137e-05)
    p = p * y + cast(x, 3.173310599377061e-05)
    p = p * y + cast(x, 7.141810433422301e-05)
    p = p * y + cast(x, -0.00017429984933155644)
    p = p * y + cast(x, -9.373894767667295e-05)
    p = p * y + cast(x, 0.0006736782697069831)
    p = p * y + cast(x, -0.00014624628742128406)
    p = p * y + cast(x, -0.002345812444802156)
    p = p * y + cast(x, 0.0017589335074028032)
    p = p * y + cast(x, 0.008824938553738764)
    p = p * y + cast(x, -0.009872689364099222)
    p = p * y + cast(x, -0.046895610231083025)
    p = p * y + cast(x, 0.047343306841863525)
    p = p * y + cast(x, 0.672643223977656)
    p = p * y + cast(x, -0.6717940840566922)
    tail = half * t * exponential(p - a * a)
    return one - tail if x > cast(x, 0.0) else tail
