"""Logistic regressions of two classes for many groups of rows, one after the other. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def select(values: doubles, n: integer, k: integer, below: doubles, above: doubles) -> cython.double:
    # the number that stood at k if n values were sorted (Hoare 1961, algorithm 65). Both rooms for n numbers take each
    # value, and keep it or not: a processor cannot guess which
    n_below: integer
    n_above: integer
    i: integer
    x: cython.double
    pivot: cython.double
    room: doubles
    while True:
        # the median of three
        x = min(values[0], values[n - 1])
        pivot = max(values[0], values[n - 1])
        pivot = max(x, min(pivot, values[n // 2]))
        n_below = 0
        n_above = 0
        for i in range(n):
            x = values[i]
            below[n_below] = x
            above[n_above] = x
            n_below += 1 if x < pivot else 0
            n_above += 1 if x > pivot else 0
        if k < n_below:
            values = below
            n = n_below
        elif k >= n - n_above:
            k -= n - n_above
            values = above
            n = n_above
            room = below
            below = above
            above = room
        else:
            return pivot


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def many_quartiles_kernel(
    plan_: cython.Py_ssize_t[::1],
    x: floating[::1],
    first_: cython.Py_ssize_t[::1],
    count_: cython.Py_ssize_t[::1],
    step_: cython.Py_ssize_t[::1],
    most: integer,
    found_: cython.double[::1],
    work: cython.double[::1],
) -> cython.int:
    # of each group with rows and each column, of one row in step[g]: the numbers that stand in order at 0, n // 4,
    # n // 2, 3 n // 4 and n - 1. NaN where there is one. work: three times the `most` rows that n is
    plan: integers = ptr(plan_)
    p: integer = plan[PASS_FEATURES]
    first: integers = ptr(first_)
    count: integers = ptr(count_)
    step: integers = ptr(step_)
    found: doubles = ptr(found_)
    values: doubles = ptr(work)
    below: doubles = at(values, most)
    above: doubles = at(below, most)
    column: reals
    n_groups: integer = first_.shape[0]
    g: integer
    j: integer
    r: integer
    n: integer
    stride: integer
    lowest: cython.double
    highest: cython.double
    odd: cython.double
    for g in range(n_groups):
        n = (count[g] + step[g] - 1) // step[g]
        stride = step[g] * plan[PASS_X_ROW]
        for j in range(p if n > 0 else 0):
            column = at(ptr(x), first[g] * plan[PASS_X_ROW] + j * plan[PASS_X_COLUMN])
            lowest = column[0]
            highest = column[0]
            odd = 0.0
            for r in range(n):
                values[r] = column[r * stride]
                lowest = min(lowest, values[r])
                highest = max(highest, values[r])
                odd += 0.0 if values[r] == values[r] else values[r]
            found[0] = lowest + odd
            found[1] = odd
            found[2] = odd
            found[3] = odd
            found[4] = highest + odd
            if odd == 0.0:
                found[1] = select(values, n, n // 4, below, above)
                found[2] = select(values, n, n // 2, below, above)
                found[3] = select(values, n, 3 * n // 4, below, above)
            found = at(found, 5)
        found = at(found, 0 if n > 0 else 5 * p)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def loss_and_right(
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
    # sums: the loss of rows FIRST to LAST, and the weight of those whose label is the class that is predicted, which is
    # the first where neither is likelier. Block by block, whose raw predictions are looked at
    last: integer = plan[PASS_LAST]
    z: doubles = at(rows, 2 * BLOCK_OF_ROWS * (plan[PASS_WIDTH] + plan[PASS_PADDED]) + RAW_LINE)
    loss: cython.double = 0.0
    right: cython.double = 0.0
    r: integer
    plan[PASS_GRADIENT_ONLY] = 1
    while plan[PASS_FIRST] < last:
        plan[PASS_LAST] = min(plan[PASS_FIRST] + BLOCK_OF_ROWS, last)
        logistic_rows(plan, x, labels, weights, shift, scale, parameters, sums, reach, gradient, products, rows)
        loss += sums[0]
        for r in range(plan[PASS_LAST] - plan[PASS_FIRST]):
            if (1 if z[r] > 0.0 else 0) == labels[plan[PASS_FIRST] + r]:
                right += weights[plan[PASS_FIRST] + r] if plan[PASS_WEIGHTED] else 1.0
        plan[PASS_FIRST] = plan[PASS_LAST]
    plan[PASS_GRADIENT_ONLY] = 0
    sums[0] = loss
    sums[1] = right
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def many_logistic_kernel(
    plan_: cython.Py_ssize_t[::1],
    x: floating[::1],
    labels: cython.Py_ssize_t[::1],
    row_weights_: cython.double[::1],
    first_: cython.Py_ssize_t[::1],
    count_: cython.Py_ssize_t[::1],
    shifts: cython.double[::1],
    scales: cython.double[::1],
    penalties: cython.double[::1],
    limits: cython.double[::1],
    negligible: cython.double,
    most: integer,
    found_: cython.double[::1],
    sums_: cython.double[::1],
    status_: cython.Py_ssize_t[::1],
    work_: cython.double[::1],
) -> cython.int:
    # Of each group: how Newton's method ended, the parameters of ((x - shift) scale, 1), and loss, weight of rows that
    # are predicted right, and iterations. limits: of each group the slope to reach, and the highest objective to start
    # from. work: two places for parameters, the system, reach, gradient and products, then that of a pass
    plan: integers = ptr(plan_)
    p: integer = plan[PASS_FEATURES]
    size: integer = 1 + p
    width: integer = plan[PASS_WIDTH]
    stride: integer = plan[PASS_PADDED]
    across: integer = (size + WHOLE) // WHOLE * WHOLE
    first: integers = ptr(first_)
    count: integers = ptr(count_)
    status: integers = ptr(status_)
    weights: doubles = ptr(row_weights_)
    limit: doubles = ptr(limits)
    shift: doubles = ptr(shifts)
    scale: doubles = ptr(scales)
    penalty: doubles = ptr(penalties)
    found: doubles = ptr(found_)
    sums: doubles = ptr(sums_)
    here: doubles = ptr(work_)
    there: doubles = at(here, width * stride)
    system: doubles = at(there, width * stride)
    reach: doubles = at(system, (2 * size + 5) * across)
    gradient: doubles = at(reach, width)
    products: doubles = at(gradient, width)
    rows: doubles = at(products, width * width)
    n_groups: integer = first_.shape[0]
    g: integer
    j: integer
    for g in range(n_groups):
        for j in range(2 * width * stride + (2 * size + 5) * across):
            here[j] = 0.0
        plan[PASS_FIRST] = first[g]
        plan[PASS_LAST] = first[g] + count[g]
        plan[PASS_REACH] = 1
        sums[0] = 0.0
        sums[1] = 0.0
        sums[2] = 0.0
        status[g] = newton_iterations(
            plan,
            ptr(x),
            ptr(labels),
            weights,
            shift,
            scale,
            penalty,
            limit[0],
            negligible,
            limit[1],
            most,
            here,
            there,
            sums,
            reach,
            gradient,
            products,
            system,
            rows,
        )
        loss_and_right(plan, ptr(x), ptr(labels), weights, shift, scale, here, sums, reach, gradient, products, rows)
        for j in range(size):
            found[j] = here[j * stride]
        shift = at(shift, p)
        scale = at(scale, p)
        penalty = at(penalty, size)
        limit = at(limit, 2)
        found = at(found, size)
        sums = at(sums, 3)
    return 0
