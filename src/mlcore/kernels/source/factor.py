"""Cholesky's factor and back substitution in pairs of doubles (106 bits), row by row. Shared source.

Golub and Van Loan, Matrix Computations, 4th ed., algorithm 4.2.1 (outer product form) and 3.1.2.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def scale_row(factor: cython.double, factor_low: cython.double, high: doubles, low: doubles, n: integer) -> cython.int:
    # a row of pairs times a pair
    j: integer
    p: cython.double
    e: cython.double
    s: cython.double
    for j in range(n):
        p = factor * high[j]
        e = product_error(factor, high[j], p) + (factor * low[j] + factor_low * high[j])
        s = p + e
        low[j] = e - (s - p)
        high[j] = s
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def reciprocal_low(x: cython.double, x_low: cython.double, inverse: cython.double) -> cython.double:
    # the low half of 1 / (x + x_low), whose high half is `inverse`: one step of Newton's
    p: cython.double = x * inverse
    return (((1.0 - p) - product_error(x, inverse, p)) - x_low * inverse) * inverse


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_pivot(
    k: integer, total: integer, width: integer, limit: cython.double, high: doubles, low: doubles
) -> cython.int:
    # one step of the factor: row k becomes R's, and what it explains is taken from the rows below, if its pivot is
    # above `limit`; else it becomes 0. Returns whether it was
    row: doubles = at(high, k * width)
    row_low: doubles = at(low, k * width)
    i: integer
    j: integer
    start: integer = k // WHOLE * WHOLE
    pivot: cython.double
    root: cython.double
    square: cython.double
    inverse: cython.double
    normalise(at(row, start), at(row_low, start), width - start)
    pivot = row[k]
    if pivot > limit:
        root = square_root(pivot)
        square = root * root
        inverse = 1.0 / root
        pivot = (((pivot - square) - product_error(root, root, square)) + row_low[k]) * 0.5 * inverse
        scale_row(inverse, reciprocal_low(root, pivot, inverse), at(row, start), at(row_low, start), width - start)
        for i in range(k + 1, total):
            start = i // WHOLE * WHOLE
            add_multiple(
                -row[i],
                -row_low[i],
                at(row, start),
                at(row_low, start),
                at(high, i * width + start),
                at(low, i * width + start),
                width - start,
            )
        return 1
    for j in range(k, width):
        row[j] = 0.0
        row_low[j] = 0.0
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def factor_matrix(
    size: integer, total: integer, width: integer, tolerance: doubles, high: doubles, low: doubles
) -> integer:
    # in place: of the symmetric matrix (total x total, its upper triangle) the first `size` rows become R, the rest
    # what is left of it: with R = (R1, Z), R1' R1 and R1' Z are what stood there, and Z'Z is taken away from the rest.
    # A column whose pivot is not above its tolerance depends on those before it: its row becomes 0. Returns the rank
    k: integer
    rank: integer = 0
    for k in range(size):
        rank += take_pivot(k, total, width, tolerance[k], high, low)
    for k in range(size, total):
        normalise(at(high, k * width), at(low, k * width), width)
    return rank


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def exchange(k: integer, m: integer, width: integer, matrix: doubles) -> cython.int:
    # columns and rows k < m of a symmetric matrix, of which the upper triangle stands there, change places
    i: integer
    entry: cython.double
    for i in range(width):
        if i < k:
            entry = matrix[i * width + k]
            matrix[i * width + k] = matrix[i * width + m]
            matrix[i * width + m] = entry
        elif k < i < m:
            entry = matrix[k * width + i]
            matrix[k * width + i] = matrix[i * width + m]
            matrix[i * width + m] = entry
        elif i > m:
            entry = matrix[k * width + i]
            matrix[k * width + i] = matrix[m * width + i]
            matrix[m * width + i] = entry
    entry = matrix[k * width + k]
    matrix[k * width + k] = matrix[m * width + m]
    matrix[m * width + m] = entry
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def factor_by_size(
    size: integer,
    total: integer,
    width: integer,
    most: integer,
    tolerance: doubles,
    high: doubles,
    low: doubles,
    places: integers,
) -> integer:
    # as `factor_matrix`; but behind the first column, that one comes next of which the largest multiple of its
    # tolerance is left, until none is above it or there are `most`. With their order (places[k], counted from 0, is
    # where column 1 + k was) what depends on others comes last, and rounding in it has not grown. Returns the rank
    # behind the first
    k: integer
    j: integer
    best: integer
    place: integer
    rank: integer = 0
    largest: cython.double
    left: cython.double
    take_pivot(0, total, width, tolerance[0], high, low)
    for k in range(1, size):
        places[k - 1] = k - 1
    for k in range(1, size):
        best = k
        if rank < most:
            largest = 0.0
            for j in range(k, size):
                # by division, since products of small numbers vanish; of a column of zeros it is NaN, never the largest
                left = (high[j * width + j] + low[j * width + j]) / tolerance[j]
                if left > largest:
                    largest = left
                    best = j
            if best != k:
                exchange(k, best, width, high)
                exchange(k, best, width, low)
                place = places[k - 1]
                places[k - 1] = places[best - 1]
                places[best - 1] = place
                left = tolerance[k]
                tolerance[k] = tolerance[best]
                tolerance[best] = left
            rank += take_pivot(k, total, width, tolerance[k], high, low)
        else:
            for j in range(k, width):
                high[k * width + j] = 0.0
                low[k * width + j] = 0.0
    for k in range(size, total):
        normalise(at(high, k * width), at(low, k * width), width)
    return rank


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def back_substitute_matrix(
    size: integer,
    width: integer,
    shift: doubles,
    high: doubles,
    low: doubles,
    columns: integer,
    right: doubles,
    right_low: doubles,
) -> cython.int:
    # in place: R1^-1 of the right-hand sides (size x columns), 0 where R1 has a row of zeros; then the first row for
    # columns that are not shifted: shift_j times each other row is taken away from it
    to: doubles
    to_low: doubles
    k: integer
    i: integer
    j: integer
    inverse: cython.double
    for i in range(size):
        k = size - 1 - i
        to = at(right, k * columns)
        to_low = at(right_low, k * columns)
        if high[k * width + k] == 0.0:
            for j in range(columns):
                to[j] = 0.0
                to_low[j] = 0.0
        else:
            for j in range(k + 1, size):
                add_multiple(
                    -high[k * width + j],
                    -low[k * width + j],
                    at(right, j * columns),
                    at(right_low, j * columns),
                    to,
                    to_low,
                    columns,
                )
            normalise(to, to_low, columns)
            inverse = 1.0 / high[k * width + k]
            scale_row(inverse, reciprocal_low(high[k * width + k], low[k * width + k], inverse), to, to_low, columns)
    for j in range(1, size):
        add_multiple(-shift[j], 0.0, at(right, j * columns), at(right_low, j * columns), right, right_low, columns)
    normalise(right, right_low, columns)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def factor_kernel(
    size: integer,
    total: integer,
    width: integer,
    tolerance: cython.double[::1],
    high: cython.double[::1],
    low: cython.double[::1],
) -> integer:
    return factor_matrix(size, total, width, ptr(tolerance), ptr(high), ptr(low))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def back_substitute_kernel(
    size: integer,
    width: integer,
    shift: cython.double[::1],
    high: cython.double[::1],
    low: cython.double[::1],
    columns: integer,
    right: cython.double[::1],
    right_low: cython.double[::1],
) -> cython.int:
    return back_substitute_matrix(size, width, ptr(shift), ptr(high), ptr(low), columns, ptr(right), ptr(right_low))
