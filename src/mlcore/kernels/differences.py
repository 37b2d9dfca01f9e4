"""The network's gradient by central differences, which follow what a weight can influence. Shared source.

Moving one weight of a layer moves one column of that layer's Z, by the step times an input. Only what lies downstream is
computed again: for the last layer one column of outputs, else the next layer's Z plus the column's change times one row of
weights, and the layers behind. It is the difference itself: across a kink it jumps as a whole forward pass would.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def objective(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], share: cython.double, total: cython.double) -> cython.double:
    # the number whose gradient a step follows, from the summed loss of a batch
    if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR:
        # a sum of squares less a part of it may be rounded below 0
        return square_root((0.0 if total < 0.0 else total) * share * settings[VALUE_FACTOR])
    return total * share * settings[GRADIENT_FACTOR]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def column_loss(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], z: cython.pointer[floating], a: cython.pointer[floating], t: cython.pointer[floating], values: cython.pointer[floating], slopes: cython.pointer[floating], row_weights: cython.pointer[floating], count: cython.Py_ssize_t) -> cython.double:
    # the summed loss of one output, its raw predictions side by side
    r: cython.Py_ssize_t
    total: cython.double = 0.0
    for r in range(count):
        a[r] = z[r]
    activate(of_layer(plan, plan[N_LAYERS], ACTIVATION), a, count)
    loss_elements(plan[LOSS], settings, 1.0, z, a, t, values, slopes, count)
    for r in range(count):
        total += values[r] * row_weights[r] if plan[WEIGHTED] else values[r]
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def rows_loss(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], count: cython.Py_ssize_t, z: cython.pointer[floating], y: cython.pointer[floating], targets: cython.pointer[floating], row_weights: cython.pointer[floating], work: cython.pointer[floating]) -> cython.double:
    # the summed loss of `count` rows of outputs
    size: cython.Py_ssize_t = of_layer(plan, plan[N_LAYERS], SIZE)
    loss_rows(plan[LOSS], settings, 1.0, z, y, targets, row_weights, plan[WEIGHTED], count, size, at(work, plan[VALUES]), at(work, plan[SLOPES]))
    return total_loss(at(work, plan[VALUES]), row_weights, plan[WEIGHTED], count, size)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def moved_loss(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], layer: cython.Py_ssize_t, count: cython.Py_ssize_t, targets: cython.pointer[floating], row_weights: cython.pointer[floating], parameters: cython.pointer[floating], work: cython.pointer[floating]) -> cython.double:
    # the summed loss of the batch, given the moved Z of one layer
    last: cython.Py_ssize_t = plan[N_LAYERS]
    above: cython.Py_ssize_t
    j: cython.Py_ssize_t
    one: cython.Py_ssize_t = 1
    z: cython.pointer[floating] = at(work, of_layer(plan, layer, MOVED_RAW))
    a: cython.pointer[floating] = at(work, of_layer(plan, layer, MOVED))
    for j in range(count * of_layer(plan, layer, STRIDE)):
        a[j] = z[j]
    activate_layer(plan, layer, count, a)
    for above in range(layer + 1, last + 1):
        forward_layer(plan, above, at(work, of_layer(plan, above - 1, MOVED)), of_layer(plan, above - 1, STRIDE), whole_tiles(count, work), count, parameters, at(work, plan[SCRATCH]), one, at(work, of_layer(plan, above, MOVED_RAW)), at(work, of_layer(plan, above, MOVED)))
    return rows_loss(plan, settings, count, at(work, of_layer(plan, last, MOVED_RAW)), at(work, of_layer(plan, last, MOVED)), targets, row_weights, work)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def difference_gradient(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], layer: cython.Py_ssize_t, half: cython.Py_ssize_t, inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, share: cython.double, targets: cython.pointer[floating], row_weights: cython.pointer[floating], parameters: cython.pointer[floating], gradient: cython.pointer[floating], work: cython.pointer[floating]) -> cython.int:
    # half 0: the layer's weights, 1: its bias. (f(w + h) - f(w - h)) / 2h for each
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    r: cython.Py_ssize_t
    m: cython.Py_ssize_t
    side: cython.Py_ssize_t
    first: cython.Py_ssize_t = 0
    end: cython.Py_ssize_t = of_layer(plan, layer - 1, SIZE)
    last: cython.Py_ssize_t = plan[N_LAYERS]
    outputs: cython.Py_ssize_t = of_layer(plan, last, SIZE)
    width: cython.Py_ssize_t = of_layer(plan, layer, STRIDE)
    above_width: cython.Py_ssize_t = 0
    stride: cython.Py_ssize_t = input_stride
    alone: cython.Py_ssize_t = 0
    zero: cython.Py_ssize_t = 0
    h: floating = constant(parameters, settings[DIFFERENCE_STEP])
    s: floating
    change: floating
    rest: cython.double = 0.0
    total: cython.double
    difference: cython.double
    z: cython.pointer[floating] = at(work, of_layer(plan, layer, RAW))
    a: cython.pointer[floating] = at(work, of_layer(plan, layer, ACTIVATED))
    source: cython.pointer[floating] = inputs
    moved: cython.pointer[floating] = at(work, of_layer(plan, layer, MOVED_RAW))
    base: cython.pointer[floating] = z
    weights: cython.pointer[floating] = parameters
    column: cython.pointer[floating] = at(work, plan[COLUMNS])
    activated: cython.pointer[floating] = at(column, count)
    t: cython.pointer[floating] = at(column, 2 * count)
    values: cython.pointer[floating] = at(column, 3 * count)
    slopes: cython.pointer[floating] = at(column, 4 * count)
    forward_pass(plan, 0.0, 0.0, inputs, input_stride, zero, count, parameters, work, at(work, of_layer(plan, last, ACTIVATED)))
    if half == 1:
        first = end
        end = end + 1
    if layer > 1:
        source = at(work, of_layer(plan, layer - 1, ACTIVATED))
        stride = of_layer(plan, layer - 1, PADDED)
    if layer < last:
        above_width = of_layer(plan, layer + 1, STRIDE)
        moved = at(work, of_layer(plan, layer + 1, MOVED_RAW))
        base = at(work, of_layer(plan, layer + 1, RAW))
    elif of_layer(plan, layer, ACTIVATION) != SOFTMAX:
        alone = 1
    else:
        for r in range(count * width):
            moved[r] = z[r]
    if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR and alone:
        rest = rows_loss(plan, settings, count, z, a, targets, row_weights, work)
    for j in range(of_layer(plan, layer, SIZE)):
        if alone:
            for r in range(count):
                t[r] = targets[r * outputs + j]
                column[r] = z[r * width + j]
            if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR:
                rest -= column_loss(plan, settings, column, activated, t, values, slopes, row_weights, count)
        if layer < last:
            weights = at(parameters, of_layer(plan, layer + 1, WEIGHTS) + j * of_layer(plan, layer + 1, PADDED))
        for i in range(first, end):
            difference = 0.0
            for side in range(2):
                s = h if side == 0 else -h
                for r in range(count):
                    column[r] = z[r * width + j] + (s if half == 1 else s * source[r * stride + i])
                if alone:
                    total = rest + column_loss(plan, settings, column, activated, t, values, slopes, row_weights, count)
                elif layer == last:
                    for r in range(count):
                        moved[r * width + j] = column[r]
                    total = moved_loss(plan, settings, layer, count, targets, row_weights, parameters, work)
                else:
                    for r in range(count):
                        activated[r] = column[r]
                    activate(of_layer(plan, layer, ACTIVATION), activated, count)
                    for r in range(count):
                        change = activated[r] - a[r * width + j]
                        for m in range(above_width):
                            moved[r * above_width + m] = base[r * above_width + m] + change * weights[m]
                    total = moved_loss(plan, settings, layer + 1, count, targets, row_weights, parameters, work)
                total = objective(plan, settings, share, total)
                difference = total if side == 0 else difference - total
            gradient[of_layer(plan, layer, WEIGHTS) + i * of_layer(plan, layer, PADDED) + j] = constant(parameters, difference / (2.0 * settings[DIFFERENCE_STEP]))
        if alone:
            if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR:
                for r in range(count):
                    column[r] = z[r * width + j]
                rest += column_loss(plan, settings, column, activated, t, values, slopes, row_weights, count)
        elif layer == last:
            for r in range(count):
                moved[r * width + j] = z[r * width + j]
    return 0
