"""Logistic regression in one read of X: loss, gradient and the products that make the Hessian. Shared source.

Two classes have one raw prediction z, K > 2 have K. With probabilities p_k the Hessian of classes k and l is made of
the products N_kl = X' diag(w p_k p_l) X alone: it is -N_kl for k != l, and the sum of the N_kl over l for k = l.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def two_classes(count: integer, lines: doubles) -> cython.int:
    # m = z towards the wrong class: loss log(1 + exp(m)), slope the logistic function of m, all from exp(-|m|) <= 1.
    # Lines of one pointer at fixed places: a compiler sees that they are apart
    r: integer
    m: cython.double
    u: cython.double
    v: cython.double
    for r in range(count):
        m = lines[SIGN_LINE + r] * lines[RAW_LINE + r]
        u = exponential(-abs(m))
        v = 1.0 / (1.0 + u)
        lines[VALUE_LINE + r] = (m if m > 0.0 else 0.0) + logarithm_plus_one(u)
        lines[SLOPE_LINE + r] = lines[SIGN_LINE + r] * (v if m > 0.0 else u * v)
        lines[PAIR_LINE + r] = u * v * v
        lines[WRONG_LINE + r] = 0.0 if m < 0.0 else 1.0
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def many_classes(
    count: integer,
    k: integer,
    z: doubles,
    labels: integers,
    value: doubles,
    wrong: doubles,
    top: doubles,
    total: doubles,
) -> cython.int:
    # z, a line of rows for each class, becomes the probabilities: softmax with the largest taken away first
    r: integer
    c: integer
    line: doubles
    for r in range(count):
        top[r] = z[r]
        total[r] = 0.0
    for c in range(1, k):
        line = at(z, c * BLOCK_OF_ROWS)
        for r in range(count):
            top[r] = line[r] if line[r] > top[r] else top[r]
    for r in range(count):
        value[r] = top[r] - z[labels[r] * BLOCK_OF_ROWS + r]
        # right only if above every other: counted by those that reach the label's own
        wrong[r] = -1.0
    for c in range(k):
        line = at(z, c * BLOCK_OF_ROWS)
        for r in range(count):
            wrong[r] = wrong[r] + (0.0 if line[r] - top[r] < -value[r] else 1.0)
    for c in range(k):
        line = at(z, c * BLOCK_OF_ROWS)
        for r in range(count):
            line[r] = exponential(line[r] - top[r])
            total[r] = total[r] + line[r]
    for r in range(count):
        wrong[r] = 0.0 if wrong[r] == 0.0 else 1.0
        value[r] = value[r] + logarithm(total[r])
        total[r] = 1.0 / total[r]
    for c in range(k):
        line = at(z, c * BLOCK_OF_ROWS)
        for r in range(count):
            line[r] = line[r] * total[r]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def widen(width: integer, rows: doubles, reach: doubles) -> cython.int:
    # reach: at least the largest size in each column of a block. Lines behind its last row hold rows before, or
    # nothing. Four lines at a time: what is read again of `reach` was written long before
    r: integer
    j: integer
    a: cython.double
    b: cython.double
    second: doubles
    third: doubles
    fourth: doubles
    for r in range(0, BLOCK_OF_ROWS, 4):
        second = at(rows, width)
        third = at(rows, 2 * width)
        fourth = at(rows, 3 * width)
        for j in range(width):
            a = abs(rows[j])
            b = abs(second[j])
            a = a if a > b else b
            b = abs(third[j])
            a = a if a > b else b
            b = abs(fourth[j])
            a = a if a > b else b
            b = reach[j]
            reach[j] = a if a > b else b
        rows = at(rows, 4 * width)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def logistic_rows(
    plan: integers,
    x: reals,
    labels: integers,
    weights: doubles,
    shift: doubles,
    scale: doubles,
    parameters: doubles,
    sums: doubles,
    reach: doubles,
    gradient: doubles,
    products: doubles,
    rows: doubles,
) -> cython.int:
    # rows FIRST to LAST, a block every STEP rows. sums: the loss, and the weight of rows that are not on the right
    # side; gradient: OUTPUTS x WIDTH; products: WIDTH x WIDTH for each pair of classes, as `add_products` leaves them,
    # not touched if GRADIENT_ONLY; reach, if REACH: the largest size in each of the WIDTH columns. parameters: WIDTH x
    # PADDED, the intercepts behind the p coefficients
    width: integer = plan[PASS_WIDTH]
    size: integer = 1 + plan[PASS_FEATURES]
    outputs: integer = plan[PASS_CLASSES]
    padded: integer = plan[PASS_PADDED]
    pairs: integer = outputs * (outputs - 1) // 2 if outputs > 1 else 1
    left: doubles = at(rows, BLOCK_OF_ROWS * width)
    raw: doubles = at(left, BLOCK_OF_ROWS * width)
    slopes: doubles = at(raw, BLOCK_OF_ROWS * padded)
    z: doubles = at(slopes, BLOCK_OF_ROWS * padded)
    pair: doubles = at(z, BLOCK_OF_ROWS * padded)
    value: doubles = at(pair, BLOCK_OF_ROWS)
    wrong: doubles = at(value, BLOCK_OF_ROWS)
    total: doubles = at(wrong, BLOCK_OF_ROWS)
    weight: doubles = at(total, BLOCK_OF_ROWS)
    values: doubles = at(weight, BLOCK_OF_ROWS)
    wrongs: doubles = at(values, BLOCK_OF_ROWS)
    second: doubles
    to: doubles
    first: integer = plan[PASS_FIRST]
    count: integer
    place: integer
    c: integer
    d: integer
    j: integer
    r: integer
    clear_rows(plan, rows)
    for j in range(outputs * width):
        gradient[j] = 0.0
    for j in range(0 if plan[PASS_GRADIENT_ONLY] else pairs * width * width):
        products[j] = 0.0
    if plan[PASS_REACH]:
        for j in range(width):
            reach[j] = 0.0
    for r in range(BLOCK_OF_ROWS):
        weight[r] = 1.0
    while first < plan[PASS_LAST]:
        count = min(BLOCK_OF_ROWS, plan[PASS_LAST] - first)
        pack_rows(plan, x, shift, shift, scale, first, count, rows, left)
        if plan[PASS_REACH]:
            widen(width, rows, reach)
        product(count, padded, size, rows, width, 1, parameters, padded, raw, padded, raw, padded, 0)
        for c in range(outputs):
            for r in range(count):
                z[c * BLOCK_OF_ROWS + r] = raw[r * padded + c]
        if plan[PASS_WEIGHTED]:
            for r in range(count):
                weight[r] = weights[first + r]
        if outputs == 1:
            for r in range(count):
                z[SIGN_LINE + r] = -1.0 if labels[first + r] else 1.0
            two_classes(count, z)
            value = at(z, VALUE_LINE)
            wrong = at(z, WRONG_LINE)
            for r in range(count):
                pair[r] = z[PAIR_LINE + r]
                slopes[r * padded] = weight[r] * z[SLOPE_LINE + r]
        else:
            many_classes(count, outputs, z, at(labels, first), value, wrong, pair, total)
            for c in range(outputs):
                for r in range(count):
                    slopes[r * padded + c] = weight[r] * (
                        z[c * BLOCK_OF_ROWS + r] - (1.0 if labels[first + r] == c else 0.0)
                    )
        for r in range(count):
            values[r] = values[r] + weight[r] * value[r]
            wrongs[r] = wrongs[r] + weight[r] * wrong[r]
        product(outputs, width, count, slopes, 1, padded, rows, width, gradient, width, gradient, width, 1)
        place = 0
        for c in range(0 if plan[PASS_GRADIENT_ONLY] else max(outputs - 1, 1)):
            for d in range(c + 1, max(outputs, 2)):
                if outputs > 1:
                    to = at(z, c * BLOCK_OF_ROWS)
                    second = at(z, d * BLOCK_OF_ROWS)
                    for r in range(count):
                        pair[r] = to[r] * second[r]
                for r in range(count):
                    pair[r] = weight[r] * pair[r]
                    to = at(left, r * width)
                    second = at(rows, r * width)
                    for j in range(width):
                        to[j] = pair[r] * second[j]
                add_products(count, size, width, left, rows, at(products, place), 1)
                place += width * width
        first += plan[PASS_STEP]
    sums[0] = 0.0
    sums[1] = 0.0
    for r in range(BLOCK_OF_ROWS):
        sums[0] += values[r]
        sums[1] += wrongs[r]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def logistic_pass_kernel(
    plan: cython.Py_ssize_t[::1],
    x: floating[::1],
    labels: cython.Py_ssize_t[::1],
    row_weights: cython.double[::1],
    shift: cython.double[::1],
    scale: cython.double[::1],
    parameters: cython.double[::1],
    sums: cython.double[::1],
    reach: cython.double[::1],
    gradient: cython.double[::1],
    products: cython.double[::1],
    work: cython.double[::1],
) -> cython.int:
    return logistic_rows(
        ptr(plan),
        ptr(x),
        ptr(labels),
        ptr(row_weights),
        ptr(shift),
        ptr(scale),
        ptr(parameters),
        ptr(sums),
        ptr(reach),
        ptr(gradient),
        ptr(products),
        ptr(work),
    )
