"""Losses over a block of rows, one branch each: value summed in double, derivative written beside it. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def loss_rows(kind: cython.Py_ssize_t, settings: cython.pointer[cython.double], z: cython.pointer[floating], y: cython.pointer[floating], stride: cython.Py_ssize_t, t: cython.pointer[floating], row_weights: cython.pointer[floating], weighted: cython.Py_ssize_t, count: cython.Py_ssize_t, width: cython.Py_ssize_t, factor: cython.double, d: cython.pointer[floating]) -> cython.double:
    # returns sum_r w_r loss(t_r, y_r), and writes d = factor w_r dloss/dy, or dloss/dz for the losses FROM_RAW.
    # y, z and d have rows of `stride` numbers, t of `width`; only the first `width` of each row are touched.
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    total: cython.double = 0.0
    row_total: cython.double
    zero: floating = constant(y, 0.0)
    one: floating = constant(y, 1.0)
    half: floating = constant(y, 0.5)
    epsilon: floating = constant(y, settings[LOSS_EPSILON])
    threshold: floating = constant(y, settings[THRESHOLD])
    smallest: floating = constant(y, 2.2250738585072014e-308) if wide(one) else constant(y, 1.1754943508222875e-38)
    scale: floating
    e: floating
    u: floating
    v: floating
    top: floating
    zr: cython.pointer[floating]
    yr: cython.pointer[floating]
    tr: cython.pointer[floating]
    dr: cython.pointer[floating]
    for r in range(count):
        zr = at(z, r * stride)
        yr = at(y, r * stride)
        tr = at(t, r * width)
        dr = at(d, r * stride)
        row_total = 0.0
        scale = constant(y, factor)
        if weighted:
            scale = scale * row_weights[r]
        if kind == MEAN_SQUARED_ERROR or kind == ROOT_MEAN_SQUARED_ERROR:
            for j in range(width):
                e = yr[j] - tr[j]
                row_total += e * e
                dr[j] = scale * (e + e)
        elif kind == MEAN_ABSOLUTE_ERROR:
            for j in range(width):
                e = yr[j] - tr[j]
                row_total += abs(e)
                dr[j] = scale if e > zero else (-scale if e < zero else scale * e)
        elif kind == HUBER:
            for j in range(width):
                e = yr[j] - tr[j]
                u = abs(e)
                row_total += half * e * e if u <= threshold else threshold * (u - half * threshold)
                v = -threshold if e < zero else threshold
                dr[j] = scale * (v if u > threshold else e)
        elif kind == POISSON:
            for j in range(width):
                u = yr[j] + epsilon
                u = smallest if u < smallest else u
                v = tr[j] * (logarithm(tr[j]) - logarithm(u)) if tr[j] > zero else zero
                row_total += v - tr[j] + yr[j]
                dr[j] = scale * (one - tr[j] / u)
        elif kind == BINARY_CROSS_ENTROPY:
            for j in range(width):
                u = yr[j] + epsilon
                u = smallest if u < smallest else u
                v = one - yr[j] + epsilon
                v = smallest if v < smallest else v
                row_total -= tr[j] * logarithm(u) + (one - tr[j]) * logarithm(v)
                dr[j] = scale * ((one - tr[j]) / v - tr[j] / u)
        elif kind == CATEGORICAL_CROSS_ENTROPY:
            for j in range(width):
                u = yr[j] + epsilon
                u = smallest if u < smallest else u
                row_total -= tr[j] * logarithm(u)
                dr[j] = -scale * (tr[j] / u)
        elif kind == POISSON_FROM_RAW:
            for j in range(width):
                v = tr[j] * (logarithm(tr[j]) - zr[j]) if tr[j] > zero else zero
                row_total += v - tr[j] + yr[j]
                dr[j] = scale * (yr[j] - tr[j])
        elif kind == BINARY_FROM_RAW:
            # log(1 + exp(z)) - t z
            for j in range(width):
                e = zr[j]
                u = exponential(-abs(e))
                row_total += (zero if e < zero else e) - e * tr[j] + logarithm_plus_one(u)
                dr[j] = scale * (yr[j] - tr[j])
        else:
            # log sum exp(z) - z_t
            top = zr[0]
            for j in range(1, width):
                top = zr[j] if zr[j] > top else top
            u = zero
            for j in range(width):
                u = u + exponential(zr[j] - top)
            v = logarithm(u)
            for j in range(width):
                row_total += tr[j] * (v - (zr[j] - top))
                dr[j] = scale * (yr[j] - tr[j])
        if weighted:
            row_total = row_total * row_weights[r]
        total += row_total
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def loss_kernel(kind: cython.Py_ssize_t, mean: cython.Py_ssize_t, weighted: cython.Py_ssize_t, width: cython.Py_ssize_t, settings_: cython.double[::1], y_true: floating[::1], y_pred: floating[::1], row_weights: floating[::1], gradient: floating[::1]) -> cython.double:
    # the value, with its gradient in `gradient`. mean: divide by the rows (or their weight) times VALUE_FACTOR's part
    settings: cython.pointer[cython.double] = ptr(settings_)
    count: cython.Py_ssize_t = y_pred.shape[0] // width
    i: cython.Py_ssize_t
    total: cython.double
    root: cython.double
    share: cython.double = 1.0
    if mean:
        share = 1.0 / total_weight(ptr(row_weights), weighted, count)
    total = loss_rows(kind, settings, ptr(y_pred), ptr(y_pred), width, ptr(y_true), ptr(row_weights), weighted, count, width, share * settings[GRADIENT_FACTOR], ptr(gradient))
    total = total * share * settings[VALUE_FACTOR]
    if kind == ROOT_MEAN_SQUARED_ERROR:
        root = square_root(total)
        scale_by_root(root, ptr(gradient), count * width)
        total = root
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def total_weight(row_weights: cython.pointer[floating], weighted: cython.Py_ssize_t, count: cython.Py_ssize_t) -> cython.double:
    r: cython.Py_ssize_t
    total: cython.double = 0.0
    if not weighted:
        return count
    for r in range(count):
        total += row_weights[r]
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def scale_by_root(root: cython.double, d: cython.pointer[floating], n: cython.Py_ssize_t) -> cython.int:
    # d sqrt(s) = ds / (2 sqrt(s)); 0 at s = 0, the middle of the subgradients
    i: cython.Py_ssize_t
    factor: floating = constant(d, 0.0)
    if root != 0.0:
        factor = constant(d, 0.5 / root)
    for i in range(n):
        d[i] = d[i] * factor
    return 0
