"""Coefficients of least squares from cross products: Cholesky's factor in pairs of doubles. Shared source."""

DOUBLE_EPS = cython.declare(cython.double, 2.220446049250313e-16)
# Rounding of pairs of doubles may leave this part of a column's square.
PAIR_EPS = cython.declare(cython.double, 1e-29)
# Fewer rows and columns count for this many: what is left of a column that depends on others is shorter, be it the
# rounding of the pairs or of the arithmetic that made the column.
LEAST_COUNT = cython.declare(cython.int, 64)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def solve_products(
    p: integer,
    q: integer,
    width: integer,
    n_rows: integer,
    eps: cython.double,
    intercept: integer,
    alpha: cython.double,
    shift: doubles,
    scale: doubles,
    high: doubles,
    low: doubles,
    places: integers,
    found: doubles,
    line: doubles,
) -> integer:
    # high + low, the products of (1, x, y), become `factor_by_size`'s R, Z and what is left, `alpha` added to each
    # square of x; `eps` is how finely x is rounded, `places` the p columns in their new order. Returns the rank of the
    # (centred) columns of x. found: the coefficients (q x p) and the q intercepts in the user's units; 0 for columns
    # that depend on the others. line: room for (1 + p) (1 + 2 q)
    size: integer = 1 + p
    solution: doubles = at(line, size)
    solution_low: doubles = at(solution, size * q)
    rank: integer
    i: integer
    j: integer
    c: integer
    most: integer = p if alpha > 0.0 else min(p, n_rows - 1 if intercept else n_rows)
    weight: cython.double = high[0]
    relative: cython.double = max(max(n_rows, p), LEAST_COUNT) * DOUBLE_EPS
    square: cython.double
    added: cython.double
    back: cython.double
    mean: cython.double
    centred: cython.double
    # without intercept the ones are left out
    line[0] = 0.0 if intercept else 2.0 * weight
    for j in range(p):
        i = (1 + j) * (width + 1)
        square = high[i]
        if alpha > 0.0:
            added = alpha * scale[j] * scale[j]
            high[i] = square + added
            back = high[i] - square
            low[i] = low[i] + ((square - (high[i] - back)) + (added - back))
            line[1 + j] = PAIR_EPS * high[i]
        else:
            # its own part must be more than the sums' rounding, and than the rounding of the column itself
            centred = square
            if intercept:
                mean = high[1 + j] / weight
                centred = max(square - high[1 + j] * mean, 0.0)
                mean = mean + shift[j] * scale[j]
                square = centred + weight * mean * mean
            line[1 + j] = max(relative * relative * centred, 4.0 * eps * eps * square)
    rank = factor_by_size(size, size + q, width, most, line, high, low, places)
    for i in range(size):
        for c in range(q):
            solution[i * q + c] = high[i * width + size + c]
            solution_low[i * q + c] = low[i * width + size + c]
        line[i] = shift[places[i - 1]] * scale[places[i - 1]] if intercept and i > 0 else 0.0
    back_substitute_matrix(size, width, line, high, low, q, solution, solution_low)
    for c in range(q):
        for j in range(p):
            found[c * p + places[j]] = solution[(1 + j) * q + c] * scale[places[j]] / scale[p + c]
        back = solution[c] / scale[p + c] + shift[p + c]
        found[q * p + c] = back + solution_low[c] / scale[p + c] if intercept else 0.0
    return rank


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def least_squares_kernel(
    p: integer,
    q: integer,
    width: integer,
    n_rows: integer,
    eps: cython.double,
    intercept: integer,
    alpha: cython.double,
    shift: cython.double[::1],
    scale: cython.double[::1],
    high: cython.double[::1],
    low: cython.double[::1],
    places: cython.Py_ssize_t[::1],
    found: cython.double[::1],
    work: cython.double[::1],
) -> integer:
    return solve_products(
        p,
        q,
        width,
        n_rows,
        eps,
        intercept,
        alpha,
        ptr(shift),
        ptr(scale),
        ptr(high),
        ptr(low),
        ptr(places),
        ptr(found),
        ptr(work),
    )
