"""Losses over a block of rows, one branch each: value summed in double, derivative written beside it. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def loss_elements(
    kind: integer,
    settings: doubles,
    factor_: cython.double,
    z: reals,
    y: reals,
    t: reals,
    value: reals,
    d: reals,
    n: integer,
) -> cython.int:
    # value = loss(t, y) and d = factor dloss/dy (dloss/dz for the losses FROM_RAW) for n numbers that stand side by
    # side. t log t is 0 at t = 0, since log never sees less than the smallest normal number
    i: integer
    factor: floating = constant(y, factor_)
    zero: floating = constant(y, 0.0)
    one: floating = constant(y, 1.0)
    half: floating = constant(y, 0.5)
    epsilon: floating = constant(y, settings[LOSS_EPSILON])
    threshold: floating = constant(y, settings[THRESHOLD])
    smallest: floating = constant(y, 2.2250738585072014e-308) if wide(one) else constant(y, 1.1754943508222875e-38)
    e: floating
    u: floating
    v: floating
    if kind == MEAN_SQUARED_ERROR or kind == ROOT_MEAN_SQUARED_ERROR:
        for i in range(n):
            e = y[i] - t[i]
            value[i] = e * e
            d[i] = factor * (e + e)
    elif kind == MEAN_ABSOLUTE_ERROR:
        for i in range(n):
            e = y[i] - t[i]
            value[i] = abs(e)
            d[i] = factor if e > zero else (-factor if e < zero else factor * e)
    elif kind == HUBER:
        for i in range(n):
            e = y[i] - t[i]
            u = abs(e)
            v = -threshold if e < zero else threshold
            value[i] = threshold * (u - half * threshold) if u > threshold else half * e * e
            d[i] = factor * (v if u > threshold else e)
    elif kind == POISSON:
        for i in range(n):
            u = y[i] + epsilon
            u = smallest if u < smallest else u
            value[i] = t[i] * (logarithm(t[i]) - logarithm(u)) - t[i] + y[i]
            d[i] = factor * (one - t[i] / u)
    elif kind == BINARY_CROSS_ENTROPY:
        for i in range(n):
            u = y[i] + epsilon
            u = smallest if u < smallest else u
            v = one - y[i] + epsilon
            v = smallest if v < smallest else v
            value[i] = -(t[i] * logarithm(u) + (one - t[i]) * logarithm(v))
            d[i] = factor * ((one - t[i]) / v - t[i] / u)
    elif kind == CATEGORICAL_CROSS_ENTROPY:
        for i in range(n):
            u = y[i] + epsilon
            u = smallest if u < smallest else u
            value[i] = -(t[i] * logarithm(u))
            d[i] = -factor * (t[i] / u)
    elif kind == POISSON_FROM_RAW:
        for i in range(n):
            value[i] = t[i] * (logarithm(t[i]) - z[i]) - t[i] + y[i]
            d[i] = factor * (y[i] - t[i])
    elif kind == BINARY_FROM_RAW:
        # log(1 + exp(z)) - t z
        for i in range(n):
            u = exponential(-abs(z[i]))
            value[i] = (zero if z[i] < zero else z[i]) - t[i] * z[i] + logarithm_plus_one(u)
            d[i] = factor * (y[i] - t[i])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def loss_of_classes(
    factor: floating, z: reals, y: reals, t: reals, value: reals, d: reals, count: integer, width: integer
) -> cython.int:
    # softmax and its cross-entropy from the raw predictions: log sum exp(z - max z) is -log max y
    r: integer
    j: integer
    top: floating
    most: floating
    truth: floating
    log_most: floating
    yr: reals
    for r in range(count):
        yr = at(y, r * width)
        most = yr[0]
        for j in range(1, width):
            most = yr[j] if yr[j] > most else most
        value[r] = most
    for r in range(count):
        value[r] = logarithm(value[r])
    # from the last row down: what a row writes lies behind the logarithms still to be read
    for r in range(count - 1, -1, -1):
        log_most = value[r]
        top = z[r * width]
        truth = t[r * width]
        for j in range(r * width + 1, r * width + width):
            top = z[j] if z[j] > top else top
            truth = truth + t[j]
        for j in range(r * width, r * width + width):
            value[j] = -(t[j] * (log_most + (z[j] - top)))
            d[j] = factor * (y[j] * truth - t[j])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def loss_rows(
    kind: integer,
    settings: doubles,
    factor: cython.double,
    z: reals,
    y: reals,
    t: reals,
    row_weights: reals,
    weighted: integer,
    count: integer,
    width: integer,
    value: reals,
    d: reals,
) -> cython.int:
    # each element's loss, and d = factor w_r dloss/dy, or dloss/dz for the losses FROM_RAW. Rows stand side by side
    r: integer
    j: integer
    if kind == CATEGORICAL_FROM_RAW:
        loss_of_classes(constant(y, factor), z, y, t, value, d, count, width)
    else:
        loss_elements(kind, settings, factor, z, y, t, value, d, count * width)
    if weighted:
        for r in range(count):
            for j in range(r * width, r * width + width):
                d[j] = d[j] * row_weights[r]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def total_loss(value: reals, row_weights: reals, weighted: integer, count: integer, width: integer) -> cython.double:
    # sum_r w_r sum_j value_rj, in double
    r: integer
    j: integer
    total: cython.double = 0.0
    row_total: cython.double
    for r in range(count):
        row_total = 0.0
        for j in range(r * width, r * width + width):
            row_total += value[j]
        if weighted:
            row_total = row_total * row_weights[r]
        total += row_total
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def loss_kernel(
    kind: integer,
    mean: integer,
    weighted: integer,
    width: integer,
    settings_: cython.double[::1],
    y_true: floating[::1],
    y_pred: floating[::1],
    row_weights: floating[::1],
    gradient: floating[::1],
    work: floating[::1],
) -> cython.double:
    # the value, with its gradient in `gradient`; `work` is as long. mean: divide by the rows, or their weight
    settings: doubles = ptr(settings_)
    count: integer = y_pred.shape[0] // width
    total: cython.double
    root: cython.double
    share: cython.double = 1.0
    if mean:
        share = 1.0 / total_weight(ptr(row_weights), weighted, count)
    loss_rows(
        kind,
        settings,
        share * settings[GRADIENT_FACTOR],
        ptr(y_pred),
        ptr(y_pred),
        ptr(y_true),
        ptr(row_weights),
        weighted,
        count,
        width,
        ptr(work),
        ptr(gradient),
    )
    total = total_loss(ptr(work), ptr(row_weights), weighted, count, width) * share * settings[VALUE_FACTOR]
    if kind == ROOT_MEAN_SQUARED_ERROR:
        root = square_root(total)
        scale_by_root(root, ptr(gradient), count * width)
        total = root
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def total_weight(row_weights: reals, weighted: integer, count: integer) -> cython.double:
    r: integer
    total: cython.double = 0.0
    if not weighted:
        return count
    for r in range(count):
        total += row_weights[r]
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def scale_by_root(root: cython.double, d: reals, n: integer) -> cython.int:
    # d sqrt(s) = ds / (2 sqrt(s)); 0 at s = 0, the middle of the subgradients
    i: integer
    factor: floating = constant(d, 0.0)
    if root != 0.0:
        factor = constant(d, 0.5 / root)
    for i in range(n):
        d[i] = d[i] * factor
    return 0
