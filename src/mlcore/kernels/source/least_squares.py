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
def is_at_risk(
    p: integer,
    q: integer,
    width: integer,
    n_rows: integer,
    rank: integer,
    intercept: integer,
    shift: doubles,
    scale: doubles,
    sums: doubles,
    squares: doubles,
    high: doubles,
    places: integers,
    found: doubles,
    work: doubles,
) -> cython.int:
    # Whether plain sums may have cost digits that are wanted: nine of each coefficient, six of standard errors. sums
    # and squares: the products' first line and diagonal, before `solve_products` left high, places and found. work:
    # room for p (2 p + 3).
    # Rounding G and g of G b = g by a relative eta of the squares before centring moves b by about
    # eta |G^-1| (|g| + |G| |b|), here in root mean squares; by how much it moves the intercept follows
    columns: doubles = work  # of R, each divided by its length; then R^-1 R'^-1
    inverse: doubles = at(columns, p * p)  # columns of R^-1
    length: doubles = at(inverse, p * p)
    grown: doubles = at(length, p)  # how much longer columns were before they were centred, squared
    moved: doubles = at(grown, p)
    vary: integer = 0
    c: integer
    i: integer
    j: integer
    k: integer
    factor: cython.double
    total: cython.double
    largest: cython.double
    residual: cython.double
    size: cython.double
    deviation: cython.double
    answer: cython.double
    error: cython.double
    spread: cython.double
    unit: cython.double
    for j in range(p):
        vary += 1 if squares[1 + j] != 0.0 else 0
    if rank < vary:
        return 1
    for c in range(q):
        residual = max(high[(1 + p + c) * (width + 1)], 0.0)
        total = residual
        for i in range(1, 1 + p):
            total += high[i * width + 1 + p + c] * high[i * width + 1 + p + c]
        if residual < LEAST_RESIDUAL * total:
            return 1
    for j in range(p):
        total = 0.0
        for i in range(j + 1):
            # a constant column is exactly zero, and stands last
            columns[j * p + i] = high[(1 + i) * width + 1 + j] if i < j or j < rank else 1.0
            total += columns[j * p + i] * columns[j * p + i]
        length[j] = square_root(total)
        grown[j] = squares[1 + places[j]] / total
        moved[j] = 0.0
        for i in range(j + 1):
            columns[j * p + i] = columns[j * p + i] / length[j]
    for k in range(p):
        for i in range(k):
            inverse[k * p + i] = 0.0
        inverse[k * p + k] = 1.0
        j = k
        while j >= 0:
            factor = inverse[k * p + j] / columns[j * p + j]
            inverse[k * p + j] = factor
            for i in range(j):
                inverse[k * p + i] = inverse[k * p + i] - factor * columns[j * p + i]
            j -= 1
    for i in range(p * p):
        columns[i] = 0.0
    for k in range(p):
        for i in range(k + 1):
            factor = inverse[k * p + i]
            for j in range(i, k + 1):
                columns[i * p + j] = columns[i * p + j] + factor * inverse[k * p + j]
    for i in range(p):
        for j in range(i, p):
            factor = columns[i * p + j] * columns[i * p + j]
            moved[i] = moved[i] + factor * grown[j]
            if j > i:
                moved[j] = moved[j] + factor * grown[i]
    for c in range(q):
        residual = max(high[(1 + p + c) * (width + 1)], 0.0) / max(n_rows - p - 1, 1)
        total = squares[1 + p + c]
        largest = 0.0
        for i in range(p):
            j = places[i]
            size = found[c * p + j] / scale[j] * scale[p + c] * length[i]
            total += size * size * grown[i]
            largest = max(largest, abs(size))
        answer = ROUNDING_OF_PLAIN * square_root(total)
        error = ROUNDING_OF_PLAIN * square_root(squares[1 + p + c] / sums[0])
        spread = 0.0
        for i in range(p):
            j = places[i]
            size = abs(found[c * p + j] / scale[j] * scale[p + c] * length[i])
            deviation = square_root(residual * columns[i * p + i])
            total = answer * square_root(moved[i])
            if not total <= GOOD_ENOUGH * max(max(size, deviation), OF_LARGEST * largest):
                return 1
            unit = (abs(sums[1 + j] / sums[0]) / scale[j] + abs(shift[j])) * (scale[j] / length[i])
            error += total * unit
            spread += deviation * unit
        size = abs(found[q * p + c]) * scale[p + c]
        if intercept and not error <= GOOD_ENOUGH * max(size, spread):
            return 1
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def at_risk_kernel(
    p: integer,
    q: integer,
    width: integer,
    n_rows: integer,
    rank: integer,
    intercept: integer,
    shift: cython.double[::1],
    scale: cython.double[::1],
    sums: cython.double[::1],
    squares: cython.double[::1],
    high: cython.double[::1],
    places: cython.Py_ssize_t[::1],
    found: cython.double[::1],
    work: cython.double[::1],
) -> integer:
    return is_at_risk(
        p,
        q,
        width,
        n_rows,
        rank,
        intercept,
        ptr(shift),
        ptr(scale),
        ptr(sums),
        ptr(squares),
        ptr(high),
        ptr(places),
        ptr(found),
        ptr(work),
    )


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
