"""Activations and their slopes, one branch each. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def activate(kind: integer, a: reals, n: integer) -> cython.int:
    # a becomes f(a). Comparisons are written so that NaN passes through
    i: integer
    zero: floating = constant(a, 0.0)
    one: floating = constant(a, 1.0)
    slope: floating = constant(a, 0.01)
    half: floating = constant(a, 0.5)
    most: floating = constant(a, 709.0) if wide(one) else constant(a, 88.0)
    e: floating
    if kind == RELU:
        for i in range(n):
            a[i] = zero if a[i] <= zero else a[i]
    elif kind == LEAKY_RELU:
        for i in range(n):
            a[i] = a[i] if a[i] > zero else slope * a[i]
    elif kind == ELU:
        for i in range(n):
            e = exponential_minus_one(a[i])
            a[i] = a[i] if a[i] > zero else e
    elif kind == GELU:
        for i in range(n):
            a[i] = a[i] * normal_distribution(a[i])
    elif kind == SILU:
        for i in range(n):
            a[i] = a[i] * logistic(a[i])
    elif kind == TANH:
        for i in range(n):
            e = exponential_minus_one(a[i] + a[i])
            a[i] = e / (e + one + one)
    elif kind == SIGMOID:
        for i in range(n):
            a[i] = logistic(a[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            a[i] = (zero if a[i] < zero else a[i]) + logarithm_plus_one(exponential(-abs(a[i])))
    elif kind == EXPONENTIAL:
        # exponential() ends before the largest numbers do: beyond, the square of a half's, which overflows where it
        # must
        for i in range(n):
            e = exponential(half * a[i] if a[i] > most else a[i])
            a[i] = e * e if a[i] > most else e
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def chain(kind: integer, z: reals, a: reals, d: reals, n: integer) -> cython.int:
    # the chain rule through one activation: d becomes d f'(z). Those without needs_raw read a alone
    i: integer
    zero: floating = constant(z, 0.0)
    one: floating = constant(z, 1.0)
    slope: floating = constant(z, 0.01)
    half: floating = constant(z, 0.5)
    density: floating = constant(z, 0.3989422804014327)
    s: floating
    if kind == RELU:
        for i in range(n):
            d[i] = zero if z[i] <= zero else d[i]
    elif kind == LEAKY_RELU:
        for i in range(n):
            d[i] = d[i] if z[i] > zero else slope * d[i]
    elif kind == ELU:
        for i in range(n):
            d[i] = d[i] if z[i] > zero else d[i] * (a[i] + one)
    elif kind == GELU:
        for i in range(n):
            s = normal_distribution(z[i])
            d[i] = d[i] * (s + z[i] * density * exponential(-half * z[i] * z[i]))
    elif kind == SILU:
        for i in range(n):
            s = logistic(z[i])
            d[i] = d[i] * (s + z[i] * s * (one - s))
    elif kind == TANH:
        for i in range(n):
            d[i] = d[i] * (one - a[i] * a[i])
    elif kind == SIGMOID:
        for i in range(n):
            d[i] = d[i] * (a[i] * (one - a[i]))
    elif kind == SOFTPLUS:
        for i in range(n):
            d[i] = d[i] * logistic(z[i])
    elif kind == EXPONENTIAL:
        for i in range(n):
            d[i] = d[i] * a[i]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def softmax(a: reals, count: integer, width: integer) -> cython.int:
    # a_j becomes exp(a_j - max a) / sum, row by row
    r: integer
    j: integer
    top: floating
    total: floating
    row: reals
    for r in range(count):
        row = at(a, r * width)
        top = row[0]
        for j in range(1, width):
            top = row[j] if row[j] > top else top
        for j in range(width):
            row[j] = row[j] - top
    for j in range(count * width):
        a[j] = exponential(a[j])
    for r in range(count):
        row = at(a, r * width)
        total = constant(a, 0.0)
        for j in range(width):
            total = total + row[j]
        for j in range(width):
            row[j] = row[j] / total
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def softmax_chain(a: reals, d: reals, count: integer, width: integer) -> cython.int:
    # d becomes a (d - sum a d), row by row
    r: integer
    j: integer
    total: floating
    ar: reals
    dr: reals
    for r in range(count):
        ar = at(a, r * width)
        dr = at(d, r * width)
        total = constant(a, 0.0)
        for j in range(width):
            total = total + ar[j] * dr[j]
        for j in range(width):
            dr[j] = ar[j] * (dr[j] - total)
    return 0
