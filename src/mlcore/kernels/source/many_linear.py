"""Least squares of many groups of rows, one after the other: the fit of each alone. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def product_at(products: doubles, width: integer, whole: integer, i: integer, j: integer) -> cython.double:
    # entry (i, j), i <= j, of the products of which `products_of_rows` gives a half
    return products[j * width + i] if i < whole and j >= whole else products[i * width + j]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pack_ones_first(size: integer, width: integer, products: doubles, packed: doubles) -> cython.int:
    # the upper triangle, line by line, of products of (x, y, 1) as those of (1, x, y)
    whole: integer = size // WHOLE * WHOLE
    i: integer
    j: integer
    k: integer = 1
    packed[0] = product_at(products, width, whole, size - 1, size - 1)
    for j in range(size - 1):
        # the line of the ones, if it is whole
        packed[k] = products[(size - 1) * width + j] if whole < size else products[j * width + size - 1]
        k += 1
    for i in range(size - 1):
        for j in range(i, size - 1):
            packed[k] = product_at(products, width, whole, i, j)
            k += 1
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def unpack(size: integer, width: integer, packed: doubles, to: doubles) -> cython.int:
    # the whole matrix again, its lines filled up with zeros
    i: integer
    j: integer
    k: integer = 0
    for i in range(size):
        for j in range(size, width):
            to[i * width + j] = 0.0
        for j in range(i, size):
            to[i * width + j] = packed[k]
            to[j * width + i] = packed[k]
            k += 1
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def heaviest_row(weights: doubles, first: integer, last: integer) -> integer:
    # the first of the largest weights; -1 where a weight is below 0, or none is above it
    r: integer
    found: integer = first
    for r in range(first, last):
        if not weights[r] >= 0.0:
            return -1
        if weights[r] > weights[found]:
            found = r
    return found if weights[found] > 0.0 else -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_constant(x: reals, row_stride: integer, first: integer, last: integer) -> cython.int:
    r: integer
    same: cython.int = 1
    for r in range(first, last):
        if x[r * row_stride] != x[first * row_stride]:
            same = 0
    return same


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def usual_squares(plan: integers, x: reals, y: doubles, alpha: cython.double, packed: doubles) -> cython.int:
    # whether the squares of all columns can be worked with as they are, or are those of columns that do not vary; and
    # whether the penalty, if there is one, is seen beside them
    p: integer = plan[PASS_FEATURES]
    size: integer = 1 + p + plan[PASS_OUTPUTS]
    j: integer
    k: integer = size
    square: cython.double
    constant_column: cython.int
    if not (packed[0] > SMALLEST_SQUARE and packed[0] < 1.0 / SMALLEST_SQUARE):
        return 0
    for j in range(size - 1):
        square = packed[k]
        k += size - 1 - j
        if square == 0.0:
            if j < p:
                constant_column = is_constant(
                    at(x, j * plan[PASS_X_COLUMN]), plan[PASS_X_ROW], plan[PASS_FIRST], plan[PASS_LAST]
                )
            else:
                constant_column = is_constant(
                    at(y, (j - p) * plan[PASS_Y_COLUMN]), plan[PASS_Y_ROW], plan[PASS_FIRST], plan[PASS_LAST]
                )
            if not constant_column:
                return 0
        elif not (square > SMALLEST_SQUARE and square < 1.0 / SMALLEST_SQUARE):
            return 0
        if j < p and alpha > 0.0 and alpha < LEAST_PENALTY * square:
            return 0
    return 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_solution(
    p: integer, q: integer, rank: integer, alpha: cython.double, width: integer, high: doubles, residuals: doubles
) -> cython.int:
    # the residuals' sums of squares; whether the columns that depend on others, if there are any, are columns of zeros
    i: integer
    j: integer
    for j in range(q):
        residuals[j] = max(high[(1 + p + j) * (width + 1)], 0.0)
    if rank == p:
        return 1
    if alpha != 0.0:
        return 0
    for i in range(1, 1 + rank):
        for j in range(1 + rank, 1 + p):
            if high[i * width + j] != 0.0:
                return 0
    return 1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_rounding(p: integer, q: integer, packed: doubles, shift: doubles, intercepts: doubles) -> cython.int:
    # 0 in place of intercepts that are no more than the rounding of pairs of doubles, of y's size
    c: integer
    k: integer = 0
    size: integer = 1 + p + q
    rounding: cython.double
    for c in range(1 + p):
        k += size - c
    for c in range(q):
        rounding = ROUNDING_OF_PAIRS * square_root(max(packed[k], 0.0) / packed[0])
        if abs(intercepts[c]) <= rounding + ROUNDING_OF_PAIRS * abs(shift[p + c]):
            intercepts[c] = 0.0
        k += size - 1 - p - c
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fit_rows(
    plan: integers,
    x: reals,
    y: doubles,
    weights: doubles,
    n_rows: integer,
    eps: cython.double,
    intercept: integer,
    alpha: cython.double,
    shift: doubles,
    scale: doubles,
    packed: doubles,
    places: integers,
    found: doubles,
    residuals: doubles,
    high: doubles,
    low: doubles,
    solving: doubles,
    passing: doubles,
) -> integer:
    # products, factor and solution of rows FIRST to LAST; the rank, -1 where columns depend on others that are not
    # zero, -2 where squares are out of the usual
    p: integer = plan[PASS_FEATURES]
    q: integer = plan[PASS_OUTPUTS]
    width: integer = plan[PASS_WIDTH]
    size: integer = 1 + p + q
    triangle: integer = size * (size + 1) // 2
    rank: integer
    products_of_rows(plan, x, y, weights, shift, scale, high, low, passing)
    pack_ones_first(size, width, high, packed)
    pack_ones_first(size, width, low, at(packed, triangle))
    if not usual_squares(plan, x, y, alpha, packed):
        return -2
    unpack(size, width, packed, high)
    unpack(size, width, at(packed, triangle), low)
    rank = solve_products(p, q, width, n_rows, eps, intercept, alpha, shift, scale, high, low, places, found, solving)
    return rank if take_solution(p, q, rank, alpha, width, high, residuals) else -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def many_linear_kernel(
    plan_: cython.Py_ssize_t[::1],
    x: floating[::1],
    y_: cython.double[::1],
    row_weights_: cython.double[::1],
    first_: cython.Py_ssize_t[::1],
    count_: cython.Py_ssize_t[::1],
    small: integer,
    one_pass: integer,
    eps: cython.double,
    intercept: integer,
    alphas: cython.double[::1],
    ranks_: cython.Py_ssize_t[::1],
    weighted_rows_: cython.Py_ssize_t[::1],
    in_pairs_: cython.Py_ssize_t[::1],
    found_: cython.double[::1],
    residuals_: cython.double[::1],
    shifts_: cython.double[::1],
    packed_: cython.double[::1],
    places_: cython.Py_ssize_t[::1],
    work_: cython.double[::1],
) -> cython.int:
    # Of each group, whose rows are count[g] from first[g] on: `found` (coefficients q x p, intercepts q), the rank, the
    # rows that have a weight, the residuals' sums of squares, and the products of (1, x, y) less their shift, packed:
    # a triangle of high halves and one of low halves; in pairs throughout where they are up to `small` numbers, or
    # plain sums would cost digits and they are fewer than `one_pass`. Rank -2: columns
    # depend on others, and what is packed tells the solution of least norm; -1: out of the usual, and left to the
    # estimator. work: that of `cross_products`, three matrices of products, (1 + p) (1 + 2 q) + 2 (p + q) + 1 and that
    # of `at_risk`
    plan: integers = ptr(plan_)
    p: integer = plan[PASS_FEATURES]
    q: integer = plan[PASS_OUTPUTS]
    width: integer = plan[PASS_WIDTH]
    size: integer = 1 + p + q
    triangle: integer = size * (size + 1) // 2
    weights: doubles = ptr(row_weights_)
    y: doubles = ptr(y_)
    first: integers = ptr(first_)
    count: integers = ptr(count_)
    penalties: doubles = ptr(alphas)
    ranks: integers = ptr(ranks_)
    weighted_rows: integers = ptr(weighted_rows_)
    found: doubles = ptr(found_)
    residuals: doubles = ptr(residuals_)
    shift: doubles = ptr(shifts_)
    packed: doubles = ptr(packed_)
    places: integers = ptr(places_)
    high: doubles = ptr(work_)
    low: doubles = at(high, width * width)
    scale: doubles = at(low, width * width)
    solving: doubles = at(scale, p + q)
    squares: doubles = at(solving, (1 + p) * (1 + 2 * q))
    risking: doubles = at(squares, size)
    passing: doubles = at(risking, p * (2 * p + 3))
    in_pairs: integers = ptr(in_pairs_)
    n_products: integer
    k: integer
    n_groups: integer = first_.shape[0]
    g: integer
    r: integer
    j: integer
    origin: integer
    again: integer
    for j in range(p + q):
        scale[j] = 1.0
    clear_rows(plan, passing)
    for g in range(n_groups):
        plan[PASS_FIRST] = first[g]
        plan[PASS_LAST] = first[g] + count[g]
        weighted_rows[g] = count[g]
        origin = first[g] if count[g] > 0 else -1
        ranks[g] = -1
        if plan[PASS_WEIGHTED] and count[g] > 0:
            origin = heaviest_row(weights, plan[PASS_FIRST], plan[PASS_LAST])
            weighted_rows[g] = 0
            for r in range(plan[PASS_FIRST], plan[PASS_LAST]):
                weighted_rows[g] += 1 if weights[r] != 0.0 else 0
        if origin >= 0:
            for j in range(p):
                shift[j] = at(ptr(x), origin * plan[PASS_X_ROW])[j * plan[PASS_X_COLUMN]] if intercept else 0.0
            for j in range(q):
                shift[p + j] = y[origin * plan[PASS_Y_ROW] + j * plan[PASS_Y_COLUMN]] if intercept else 0.0
            n_products = count[g] * width * width
            plan[PASS_IN_PAIRS] = 1 if n_products <= small else 0
            # once more in pairs, where plain sums cost digits or do not tell the rank
            again = 1
            while again:
                again = 0
                ranks[g] = fit_rows(
                    plan,
                    ptr(x),
                    y,
                    weights,
                    weighted_rows[g],
                    eps,
                    intercept,
                    penalties[g],
                    shift,
                    scale,
                    packed,
                    places,
                    found,
                    residuals,
                    high,
                    low,
                    solving,
                    passing,
                )
                if ranks[g] >= 0 and not plan[PASS_IN_PAIRS]:
                    k = 0
                    for j in range(size):
                        squares[j] = packed[k]
                        k += size - j
                    if is_at_risk(
                        p,
                        q,
                        width,
                        weighted_rows[g],
                        ranks[g],
                        intercept,
                        shift,
                        scale,
                        packed,
                        squares,
                        high,
                        places,
                        found,
                        risking,
                    ):
                        ranks[g] = -1
                if ranks[g] == -1 and not plan[PASS_IN_PAIRS] and n_products < one_pass:
                    plan[PASS_IN_PAIRS] = 1
                    again = 1
            in_pairs[g] = plan[PASS_IN_PAIRS]
            if ranks[g] >= 0:
                drop_rounding(p, q, packed, shift, at(found, p * q))
            else:
                ranks[g] = -2 if ranks[g] == -1 and plan[PASS_IN_PAIRS] else -1
        found = at(found, q * (p + 1))
        residuals = at(residuals, q)
        shift = at(shift, p + q)
        packed = at(packed, 2 * triangle)
    return 0
