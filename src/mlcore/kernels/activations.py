"""Activations and their slopes, one branch each. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def activate(kind: cython.Py_ssize_t, z: cython.pointer[floating], a: cython.pointer[floating], n: cython.Py_ssize_t) -> cython.int:
    # a = f(z). Comparisons are written so that NaN passes through
    i: cython.Py_ssize_t
    zero: floating = constant(z, 0.0)
    one: floating = constant(z, 1.0)
    slope: floating = constant(z, 0.01)
    e: floating
    if kind == IDENTITY:
        for i in range(n):
            a[i] = z[i]
    elif kind == RELU:
        for i in range(n):
            a[i] = zero if z[i] <= zero else z[i]
    elif kind == LEAKY_RELU:
        for i in range(n):
            a[i] = z[i] if z[i] > zero else slope * z[i]
    elif kind == ELU:
        for i in range(n):
            e = exponential_minus_one(z[i])
            a[i] = z[i] if z[i] > zero else e
    elif kind == GELU:
        for i in range(n):
            a[i] = z[i] * normal_distribution(z[i])
    elif kind == SILU:
        for i in range(n):
            a[i] = z[i] * logistic(z[i])
    elif kind == TANH:
        for i in range(n):
            e = exponential_minus_one(z[i] + z[i])
            a[i] = e / (e + one + one)
    elif kind == SIGMOID:
        for i in range(n):
            a[i] = logistic(z[i])
    elif kind == SOFTPLUS:
        for i in range(n):
            a[i] = (zero if z[i] < zero else z[i]) + logarithm_plus_one(exponential(-abs(z[i])))
    elif kind == EXPONENTIAL:
        for i in range(n):
            a[i] = exponential(z[i])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def chain(kind: cython.Py_ssize_t, z: cython.pointer[floating], a: cython.pointer[floating], d: cython.pointer[floating], n: cython.Py_ssize_t) -> cython.int:
    # the chain rule through one activation: d becomes d f'(z)
    i: cython.Py_ssize_t
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
def softmax(z: cython.pointer[floating], a: cython.pointer[floating], count: cython.Py_ssize_t, width: cython.Py_ssize_t, stride: cython.Py_ssize_t) -> cython.int:
    # a_j = exp(z_j - max z) / sum, row by row
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    top: floating
    total: floating
    zr: cython.pointer[floating]
    ar: cython.pointer[floating]
    for r in range(count):
        zr = at(z, r * stride)
        ar = at(a, r * stride)
        top = zr[0]
        for j in range(1, width):
            top = zr[j] if zr[j] > top else top
        for j in range(width):
            ar[j] = exponential(zr[j] - top)
        total = constant(z, 0.0)
        for j in range(width):
            total = total + ar[j]
        for j in range(width):
            ar[j] = ar[j] / total
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def softmax_chain(a: cython.pointer[floating], d: cython.pointer[floating], count: cython.Py_ssize_t, width: cython.Py_ssize_t, stride: cython.Py_ssize_t) -> cython.int:
    # d becomes a (d - sum a d), row by row
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    total: floating
    ar: cython.pointer[floating]
    dr: cython.pointer[floating]
    for r in range(count):
        ar = at(a, r * stride)
        dr = at(d, r * stride)
        total = constant(a, 0.0)
        for j in range(width):
            total = total + ar[j] * dr[j]
        for j in range(width):
            dr[j] = ar[j] * (dr[j] - total)
    return 0
