"""The network's gradient by central differences, which follow what a weight can influence. Shared source.

Moving one weight of a layer moves one column of that layer's Z, by the step times an input. Only what lies downstream
is computed again: for the last layer one column of outputs, else the next layer's Z plus the column's change times one
row of weights, and the layers behind. It is the difference itself: across a kink it jumps as a whole forward pass
would. A weight whose inputs are all zero influences nothing, and those of equal inputs the same.

Many moves are computed at once, each of them a variant of every row of the batch. Outputs of variants stand column by
column, VARIANTS numbers each.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def softmax_columns(
    stride: integer, outputs: integer, count: integer, z: reals, top: reals, total: reals
) -> cython.int:
    # z_j becomes exp(z_j - max z); the maximum and the sum of each variant
    m: integer
    v: integer
    column: reals
    for v in range(count):
        top[v] = z[v]
        total[v] = constant(z, 0.0)
    for m in range(1, outputs):
        column = at(z, m * stride)
        for v in range(count):
            top[v] = column[v] if column[v] > top[v] else top[v]
    for m in range(outputs):
        column = at(z, m * stride)
        for v in range(count):
            column[v] = exponential(column[v] - top[v])
            total[v] = total[v] + column[v]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def losses_of_columns(
    plan: integers,
    settings: doubles,
    outputs: integer,
    count: integer,
    z: reals,
    y: reals,
    t: reals,
    value: reals,
    slope: reals,
    total: reals,
) -> cython.int:
    # each variant's loss, summed over so many outputs, from their raw predictions (which are overwritten)
    m: integer
    v: integer
    last: integer = plan[N_LAYERS]
    zero: floating = constant(z, 0.0)
    half: floating = constant(z, 0.5)
    one: floating = constant(z, 1.0)
    size: floating
    for v in range(count):
        total[v] = zero
    if plan[LOSS] == CATEGORICAL_FROM_RAW:
        # sum t (log sum exp z - z)
        for v in range(count):
            slope[v] = zero
        for m in range(outputs):
            for v in range(count):
                slope[v] = slope[v] + t[m * plan[VARIANTS] + v]
                total[v] = total[v] - t[m * plan[VARIANTS] + v] * z[m * plan[VARIANTS] + v]
        softmax_columns(plan[VARIANTS], outputs, count, z, y, value)
        for v in range(count):
            total[v] = total[v] + slope[v] * (logarithm(value[v]) + y[v])
    elif plan[LOSS] == BINARY_FROM_RAW:
        # sum log(1 + exp(z)) - t z. A sum of logarithms is the logarithm of a product, here of factors from 1 to 2
        for v in range(count):
            value[v] = one
        for m in range(outputs):
            for v in range(count):
                size = abs(z[v])
                value[v] = value[v] * (one + exponential(-size))
                total[v] = total[v] + (half * (z[v] + size) - t[v] * z[v])
            if m % 64 == 63 or m == outputs - 1:
                for v in range(count):
                    total[v] = total[v] + logarithm(value[v])
                    value[v] = one
            z = at(z, plan[VARIANTS])
            t = at(t, plan[VARIANTS])
    else:
        if of_layer(plan, last, ACTIVATION) == SOFTMAX:
            softmax_columns(plan[VARIANTS], outputs, count, z, y, value)
            for m in range(outputs):
                for v in range(count):
                    z[m * plan[VARIANTS] + v] = z[m * plan[VARIANTS] + v] / value[v]
        for m in range(outputs):
            for v in range(count):
                y[v] = z[v]
            activate(of_layer(plan, last, ACTIVATION), y, count)
            loss_elements(plan[LOSS], settings, 1.0, z, y, t, value, slope, count)
            for v in range(count):
                total[v] = total[v] + value[v]
            z = at(z, plan[VARIANTS])
            t = at(t, plan[VARIANTS])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def spread(
    rows: reals, width: integer, count: integer, variants: integer, stride: integer, columns: reals
) -> cython.int:
    # packed rows, again and again, column by column
    m: integer
    v: integer
    r: integer
    for m in range(width):
        for r in range(count):
            columns[m * stride + r] = rows[r * width + m]
        for v in range(count, variants):
            columns[m * stride + v] = columns[m * stride + v - count]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def weighted_sum(total: reals, row_weights: reals, weighted: integer, count: integer) -> cython.double:
    r: integer
    found: cython.double = 0.0
    for r in range(count):
        found += total[r] * row_weights[r] if weighted else total[r]
    return found


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_used(source: reals, stride: integer, count: integer) -> integer:
    # whether an input is not zero in some row
    r: integer
    for r in range(count):
        if source[r * stride] != constant(source, 0.0):
            return 1
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def outputs_of_variants(
    plan: integers,
    layer: integer,
    j: integer,
    count: integer,
    variants: integer,
    column: reals,
    base: reals,
    parameters: reals,
    work: reals,
    found: reals,
) -> cython.int:
    # raw predictions, column by column, given the variants' Z of unit j of a layer
    last: integer = plan[N_LAYERS]
    outputs: integer = of_layer(plan, last, SIZE)
    stride: integer = of_layer(plan, layer, STRIDE)
    width: integer
    above: integer
    m: integer
    q: integer
    r: integer
    v: integer
    a: reals = at(work, of_layer(plan, layer, ACTIVATED) + j)
    z: reals
    rows: reals
    weights: reals
    if layer == last:
        for m in range(outputs):
            for v in range(variants):
                found[m * plan[VARIANTS] + v] = base[m * plan[VARIANTS] + v]
        for v in range(variants):
            found[j * plan[VARIANTS] + v] = column[v]
        return 0
    activate(of_layer(plan, layer, ACTIVATION), column, variants)
    for q in range(variants // count):
        for r in range(count):
            column[q * count + r] = column[q * count + r] - a[r * stride]
    weights = at(parameters, of_layer(plan, layer + 1, WEIGHTS) + j * of_layer(plan, layer + 1, PADDED))
    if layer + 1 == last:
        for m in range(outputs):
            for v in range(variants):
                found[m * plan[VARIANTS] + v] = base[m * plan[VARIANTS] + v] + column[v] * weights[m]
        return 0
    width = of_layer(plan, layer + 1, STRIDE)
    z = at(work, of_layer(plan, layer + 1, RAW))
    rows = at(work, of_layer(plan, layer + 1, MOVED))
    for q in range(variants // count):
        for r in range(count):
            v = q * count + r
            for m in range(width):
                rows[v * width + m] = z[r * width + m] + column[v] * weights[m]
    activate_layer(plan, layer + 1, variants, rows)
    for above in range(layer + 2, last + 1):
        forward_layer(
            plan,
            above,
            at(work, of_layer(plan, above - 1, MOVED)),
            of_layer(plan, above - 1, STRIDE),
            whole_tiles(variants, work),
            variants,
            parameters,
            at(work, plan[VARIANT_SCRATCH]),
            1,
            at(work, of_layer(plan, above, MOVED_RAW)),
            at(work, of_layer(plan, above, MOVED)),
        )
    spread(at(work, of_layer(plan, last, MOVED_RAW)), outputs, variants, variants, plan[VARIANTS], found)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_steps(
    count: integer,
    h: floating,
    bias: integer,
    first: integer,
    end: integer,
    source: reals,
    stride: integer,
    pairs: integer,
    steps: reals,
    slots: reals,
) -> integer:
    # the next inputs, of up to so many different values: what a step of their weights adds to each row's Z. The bias is
    # the weight of an input that is 1. slots: which step is whose, -1 for none, and behind the last how many there are.
    # Returns where to go on. A single row's equal inputs share a step; looked for are the first value and the last
    # eight
    q: integer = 0
    k: integer
    r: integer
    slot: integer
    step: floating
    while first < end:
        slot = -1
        if first == bias or is_used(at(source, first), stride, count):
            step = h if first == bias else h * source[first]
            slot = q
            if count == 1:
                for k in range(max(0, q - 8), q):
                    slot = k if steps[k] == step else slot
                slot = 0 if q > 0 and steps[0] == step else slot
            if slot == q:
                if q == pairs:
                    break
                for r in range(count):
                    steps[q * count + r] = h if first == bias else h * source[r * stride + first]
                q += 1
        slots[first] = slot
        first += 1
    slots[bias + 1] = q
    return first


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def difference_gradient(
    plan: integers,
    settings: doubles,
    layer: integer,
    first: integer,
    end: integer,
    inputs: reals,
    input_stride: integer,
    count: integer,
    share: cython.double,
    targets: reals,
    row_weights: reals,
    parameters: reals,
    gradient: reals,
    work: reals,
) -> cython.int:
    # (f(w + h) - f(w - h)) / 2h for rows first..end of a layer's weights, the bias being the last, after a forward pass
    j: integer
    q: integer
    r: integer
    n: integer
    half: integer
    start: integer
    below: integer = of_layer(plan, layer - 1, SIZE)
    last: integer = plan[N_LAYERS]
    outputs: integer = of_layer(plan, last, SIZE)
    width: integer = of_layer(plan, layer, STRIDE)
    padded: integer = of_layer(plan, layer, PADDED)
    pairs: integer = plan[VARIANTS] // (2 * count)
    alone: integer = layer == last and of_layer(plan, last, ACTIVATION) != SOFTMAX
    weighted: integer = plan[WEIGHTED]
    everything: cython.double
    nothing: floating
    rest: cython.double = 0.0
    factor: floating = constant(
        parameters,
        (1.0 if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR else share * settings[GRADIENT_FACTOR])
        / (2.0 * settings[DIFFERENCE_STEP]),
    )
    g: reals = at(gradient, of_layer(plan, layer, WEIGHTS))
    z: reals = at(work, of_layer(plan, layer, RAW))
    source: reals = inputs
    stride: integer = input_stride
    column: reals = at(work, plan[COLUMNS])
    y: reals = at(column, plan[VARIANTS])
    value: reals = at(y, plan[VARIANTS])
    slope: reals = at(value, plan[VARIANTS])
    total: reals = at(slope, plan[VARIANTS])
    steps: reals = at(total, plan[VARIANTS])
    slots: reals = at(work, plan[SLOTS])
    base: reals = at(steps, plan[VARIANTS])
    t: reals = at(base, outputs * plan[VARIANTS])
    found: reals = at(t, outputs * plan[VARIANTS])
    if layer > 1:
        source = at(work, of_layer(plan, layer - 1, ACTIVATED))
        stride = of_layer(plan, layer - 1, STRIDE)
    spread(at(work, of_layer(plan, last, RAW)), outputs, count, 2 * pairs * count, plan[VARIANTS], base)
    spread(targets, outputs, count, 2 * pairs * count, plan[VARIANTS], t)
    spread(at(work, of_layer(plan, last, RAW)), outputs, count, count, plan[VARIANTS], found)
    losses_of_columns(plan, settings, outputs, count, found, y, t, value, slope, total)
    everything = weighted_sum(total, row_weights, weighted, count)
    # not 0 where the loss is not finite
    nothing = constant(parameters, everything - everything)
    for r in range(first, end):
        for j in range(of_layer(plan, layer, SIZE)):
            g[r * padded + j] = nothing
    while first < end:
        start = first
        first = take_steps(
            count,
            constant(parameters, settings[DIFFERENCE_STEP]),
            below,
            start,
            end,
            source,
            stride,
            pairs,
            steps,
            slots,
        )
        n = whole(slots[below + 1])
        half = n * count
        for j in range(of_layer(plan, layer, SIZE) if n else 0):
            if alone and plan[LOSS] == ROOT_MEAN_SQUARED_ERROR:
                for r in range(count):
                    column[r] = z[r * width + j]
                losses_of_columns(plan, settings, 1, count, column, y, at(t, j * plan[VARIANTS]), value, slope, total)
                rest = everything - weighted_sum(total, row_weights, weighted, count)
            for q in range(n):
                for r in range(q * count, q * count + count):
                    column[r] = z[(r - q * count) * width + j] + steps[r]
                    column[half + r] = z[(r - q * count) * width + j] - steps[r]
            if alone:
                losses_of_columns(
                    plan, settings, 1, 2 * half, column, y, at(t, j * plan[VARIANTS]), value, slope, total
                )
            else:
                outputs_of_variants(plan, layer, j, count, 2 * half, column, base, parameters, work, found)
                losses_of_columns(plan, settings, outputs, 2 * half, found, y, t, value, slope, total)
            if count > 1 or weighted:
                for q in range(2 * n):
                    total[q] = constant(total, weighted_sum(at(total, q * count), row_weights, weighted, count))
            if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR:
                for q in range(2 * n):
                    # a sum of squares less a part of it may be rounded below 0
                    total[q] = constant(total, square_root(max(0.0, rest + total[q]) * share * settings[VALUE_FACTOR]))
            for q in range(n):
                total[q] = factor * (total[q] - total[n + q]) + nothing
            for q in range(start, first):
                if slots[q] >= 0.0:
                    g[q * padded + j] = total[whole(slots[q])]
    return 0
