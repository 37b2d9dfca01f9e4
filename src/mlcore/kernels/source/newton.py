"""Newton's method for two classes in one call, and coordinate descent for the L1 part of a step. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def penalised(size: integer, stride: integer, value: cython.double, l2: doubles, parameters: doubles) -> cython.double:
    j: integer
    for j in range(size):
        value += 0.5 * l2[j] * parameters[j * stride] * parameters[j * stride]
    return value


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def newton_step(
    plan: integers,
    l2: doubles,
    parameters: doubles,
    gradient: doubles,
    products: doubles,
    tolerance: doubles,
    high: doubles,
    low: doubles,
    step: doubles,
    step_low: doubles,
) -> integer:
    # step = -(H + L)^-1 (gradient + L theta) by Cholesky's factor of the system; the gradient takes the penalty's part.
    # Returns how many parameters depend on others
    size: integer = 1 + plan[PASS_FEATURES]
    width: integer = plan[PASS_WIDTH]
    across: integer = (size + WHOLE) // WHOLE * WHOLE
    whole: integer = size // WHOLE * WHOLE
    free: integer = size if plan[PASS_INTERCEPT] else size - 1
    i: integer
    j: integer
    for j in range((size + 1) * across):
        high[j] = 0.0
        low[j] = 0.0
    for i in range(size):
        gradient[i] += l2[i] * parameters[i * plan[PASS_PADDED]]
        for j in range(i, size):
            high[i * across + j] = products[i * width + j] if j < whole or i >= whole else products[j * width + i]
        high[i * across + i] += l2[i]
        high[i * across + size] = -gradient[i]
        # H is a sum of rounded squares: less than this is none. The intercept, the last, may be left out
        tolerance[i] = high[i * across + i] * 1e-13 if i < free else high[i * across + i]
        step_low[i] = 0.0
    free = free - factor_matrix(size, size, across, tolerance, high, low)
    for i in range(size):
        step[i] = high[i * across + size]
        tolerance[i] = 0.0
    back_substitute_matrix(size, across, tolerance, high, low, 1, step, step_low)
    return free


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def newton_iterations(
    plan: integers,
    x: reals,
    labels: integers,
    weights: doubles,
    shift: doubles,
    scale: doubles,
    l2: doubles,
    gradient_tolerance: cython.double,
    negligible: cython.double,
    highest: cython.double,
    most: integer,
    here: doubles,
    there: doubles,
    sums: doubles,
    reach: doubles,
    gradient: doubles,
    products: doubles,
    step: doubles,
    rows: doubles,
) -> integer:
    # the iteration of `minimise` (linear_model/_newton.py) for one segment of rows, two classes and L2 alone. sums:
    # the loss, the weight of rows on the wrong side, the iterations. Anything unusual, as a start above `highest`, is
    # left to `minimise`: UNUSUAL
    size: integer = 1 + plan[PASS_FEATURES]
    stride: integer = plan[PASS_PADDED]
    across: integer = (size + WHOLE) // WHOLE * WHOLE
    step_low: doubles = at(step, across)
    tolerance: doubles = at(step, 2 * across)
    high: doubles = at(step, 3 * across)
    low: doubles = at(high, (size + 1) * across)
    j: integer
    found: integer
    bounded: integer = 0
    steps: integer = 0
    objective: cython.double
    value: cython.double
    largest: cython.double
    gain: cython.double
    length: cython.double
    drift: cython.double
    moved: cython.double
    for j in range(size - 1):
        bounded += 1 if l2[j] > 0.0 else 0
    logistic_rows(plan, x, labels, weights, shift, scale, here, sums, reach, gradient, products, rows)
    # the rows stay as they are
    plan[PASS_REACH] = 0
    objective = penalised(size, stride, sums[0], l2, here)
    if not objective <= highest:
        return UNUSUAL
    while objective - objective == 0.0:
        if newton_step(plan, l2, here, gradient, products, tolerance, high, low, step, step_low) != 0:
            return UNUSUAL
        largest = 0.0
        gain = 0.0
        drift = 0.0
        moved = 0.0
        for j in range(size):
            largest = max(largest, abs(gradient[j]))
            gain -= gradient[j] * step[j]
            moved += reach[j] * abs(step[j])
            if j < size - 1:
                drift = max(drift, abs(step[j]))
        sums[2] = steps
        if largest <= gradient_tolerance and sums[1] == 0.0 and bounded < size - 1:
            return SEPARATED
        # the part of the gain that is left after the step, squared; see `_left`
        moved = min(0.5 * moved * (1.0 + moved), MOST_LEFT)
        if (
            largest <= gradient_tolerance
            and gain <= min(negligible * abs(objective), ABSOLUTE)
            and gain * moved * moved <= LEFT * abs(objective)
        ) or gain <= ROUNDING * abs(objective):
            if steps < most:
                for j in range(size):
                    here[j * stride] += step[j]
                sums[2] = steps + 1
            elif gain > SEEN * abs(objective):
                return RUNNING
            return SEPARATED if bounded < size - 1 and drift > DRIFT else CONVERGED
        if steps >= most:
            return RUNNING
        steps += 1
        length = 2.0
        found = 0
        while not found:
            length = 0.5 * length
            # rounding hides what is left to gain
            if not length * gain > ROUNDING * abs(objective):
                return UNUSUAL
            for j in range(size):
                there[j * stride] = here[j * stride] + length * step[j]
            logistic_rows(plan, x, labels, weights, shift, scale, there, sums, reach, gradient, products, rows)
            value = penalised(size, stride, sums[0], l2, there)
            found = 1 if value <= objective - ARMIJO * length * gain else 0
        for j in range(size):
            here[j * stride] = there[j * stride]
        objective = value
    return UNUSUAL


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def newton_kernel(
    plan: cython.Py_ssize_t[::1],
    x: floating[::1],
    labels: cython.Py_ssize_t[::1],
    row_weights: cython.double[::1],
    shift: cython.double[::1],
    scale: cython.double[::1],
    l2: cython.double[::1],
    gradient_tolerance: cython.double,
    negligible: cython.double,
    highest: cython.double,
    most: integer,
    here: cython.double[::1],
    there: cython.double[::1],
    sums: cython.double[::1],
    reach: cython.double[::1],
    gradient: cython.double[::1],
    products: cython.double[::1],
    system: cython.double[::1],
    work: cython.double[::1],
) -> integer:
    return newton_iterations(
        ptr(plan),
        ptr(x),
        ptr(labels),
        ptr(row_weights),
        ptr(shift),
        ptr(scale),
        ptr(l2),
        gradient_tolerance,
        negligible,
        highest,
        most,
        ptr(here),
        ptr(there),
        ptr(sums),
        ptr(reach),
        ptr(gradient),
        ptr(products),
        ptr(system),
        ptr(work),
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def coordinate_descent_kernel(
    size: integer,
    parameters: cython.double[::1],
    gradient: cython.double[::1],
    hessian_: cython.double[::1],
    penalty: cython.double[::1],
    moved_: cython.double[::1],
    tolerance: cython.double,
    sweeps: integer,
) -> integer:
    # moves `parameters` b from b0 towards where g'(b - b0) + (b - b0)' H (b - b0) / 2 + sum_j penalty_j |b_j| is least,
    # one coordinate after the other (Friedman, Hastie and Tibshirani 2010): all of them, then those that are not zero
    # until they rest, and so on until all rest. Returns how many sweeps that took
    hessian: doubles = ptr(hessian_)
    moved: doubles = ptr(moved_)  # H (b - b0)
    line: doubles
    sweep: integer = 0
    whole: integer = 1
    i: integer
    j: integer
    h: cython.double
    b: cython.double
    threshold: cython.double
    step: cython.double
    largest: cython.double = tolerance + 1.0
    for j in range(size):
        moved[j] = 0.0
    while sweep < sweeps and (largest > tolerance or whole == 0):
        whole = 1 if largest <= tolerance or sweep == 0 else 0
        largest = 0.0
        for j in range(size):
            line = at(hessian, j * size)
            h = line[j]
            if h > 0.0 and (whole or parameters[j] != 0.0 or penalty[j] == 0.0):
                b = parameters[j] - (gradient[j] + moved[j]) / h
                threshold = penalty[j] / h
                b = b - threshold if b > threshold else (b + threshold if b < -threshold else 0.0)
                step = b - parameters[j]
                if step != 0.0:
                    parameters[j] = b
                    for i in range(size):
                        moved[i] = moved[i] + step * line[i]
                    # what the step gains is half its square
                    largest = max(largest, abs(step) * square_root(h))
        sweep += 1
    return sweep
