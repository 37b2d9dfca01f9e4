"""A feed-forward network: one forward pass, one backward pass, one step; every entry is made of them. Shared source.

Names of the plan's entries stand in layout.py. Buffers come from `work`, whose parts the plan tells.
"""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def of_layer(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, what: cython.Py_ssize_t) -> cython.Py_ssize_t:
    return plan[LAYERS + layer * RECORD + what]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def activate_layer(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, count: cython.Py_ssize_t, z: cython.pointer[floating], a: cython.pointer[floating]) -> cython.int:
    if of_layer(plan, layer, ACTIVATION) == SOFTMAX:
        softmax(z, a, count, of_layer(plan, layer, SIZE), of_layer(plan, layer, PADDED))
    else:
        activate(of_layer(plan, layer, ACTIVATION), z, a, count * of_layer(plan, layer, PADDED))
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_layer(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, below: cython.pointer[floating], stride: cython.Py_ssize_t, count: cython.Py_ssize_t, parameters: cython.pointer[floating], z: cython.pointer[floating], a: cython.pointer[floating]) -> cython.int:
    # Z = A W + b and A = f(Z) for `count` rows of `below`
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    one: cython.Py_ssize_t = 1
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    size_below: cython.Py_ssize_t = of_layer(plan, layer - 1, SIZE)
    weights: cython.pointer[floating] = at(parameters, of_layer(plan, layer, WEIGHTS))
    bias: cython.pointer[floating] = at(weights, size_below * width)
    for r in range(count):
        for j in range(width):
            z[r * width + j] = bias[j]
    product(count, width, size_below, below, stride, one, weights, width, z, width, one)
    activate_layer(plan, layer, count, z, a)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_pass(plan: cython.pointer[cython.Py_ssize_t], inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, parameters: cython.pointer[floating], work: cython.pointer[floating]) -> cython.int:
    # every layer's Z and A for `count` rows
    layer: cython.Py_ssize_t
    below: cython.pointer[floating] = inputs
    stride: cython.Py_ssize_t = input_stride
    a: cython.pointer[floating]
    for layer in range(1, plan[N_LAYERS] + 1):
        a = at(work, of_layer(plan, layer, ACTIVATED))
        forward_layer(plan, layer, below, stride, count, parameters, at(work, of_layer(plan, layer, RAW)), a)
        below = a
        stride = of_layer(plan, layer, PADDED)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def transpose(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, first: cython.Py_ssize_t, last: cython.Py_ssize_t, parameters: cython.pointer[floating], work: cython.pointer[floating]) -> cython.int:
    # copy rows first..last of the layer's weights into the columns of its transposed copy
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    stride: cython.Py_ssize_t = of_layer(plan, layer - 1, PADDED)
    weights: cython.pointer[floating] = at(parameters, of_layer(plan, layer, WEIGHTS))
    copy: cython.pointer[floating] = at(work, of_layer(plan, layer, TRANSPOSED))
    for j in range(of_layer(plan, layer, SIZE)):
        for i in range(first, last):
            copy[j * stride + i] = weights[i * width + j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def backward_pass(plan: cython.pointer[cython.Py_ssize_t], from_raw: cython.Py_ssize_t, lowest: cython.Py_ssize_t, count: cython.Py_ssize_t, work: cython.pointer[floating]) -> cython.int:
    # the last layer's delta holds dL/dA (dL/dZ if from_raw): make every layer's dL/dZ, down to dL/dA of layer `lowest`
    layer: cython.Py_ssize_t
    width: cython.Py_ssize_t
    below: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    zero: cython.Py_ssize_t = 0
    one: cython.Py_ssize_t = 1
    z: cython.pointer[floating]
    a: cython.pointer[floating]
    d: cython.pointer[floating]
    for layer in range(plan[N_LAYERS], 0, -1):
        width = of_layer(plan, layer, PADDED)
        z = at(work, of_layer(plan, layer, RAW))
        a = at(work, of_layer(plan, layer, ACTIVATED))
        d = at(work, of_layer(plan, layer, DELTA))
        kind = of_layer(plan, layer, ACTIVATION)
        if layer < plan[N_LAYERS] or not from_raw:
            if kind == SOFTMAX:
                softmax_chain(a, d, count, of_layer(plan, layer, SIZE), width)
            else:
                chain(kind, z, a, d, count * width)
        if layer > lowest:
            below = of_layer(plan, layer - 1, PADDED)
            product(count, below, of_layer(plan, layer, SIZE), d, width, one, at(work, of_layer(plan, layer, TRANSPOSED)), below, at(work, of_layer(plan, layer - 1, DELTA)), below, zero)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_weights(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], progress: cython.pointer[cython.double], layer: cython.Py_ssize_t, inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, shrink_: cython.double, parameters: cython.pointer[floating], gradient: cython.pointer[floating], moments: cython.pointer[floating], work: cython.pointer[floating]) -> cython.double:
    # strip by strip of weight rows: gradient A' D + shrink W, the update and the transposed copy, while the strip is in L1.
    # GRADIENT_ONLY leaves the gradient in `gradient` and moves nothing. Returns the sum of the squared weights before
    first: cython.Py_ssize_t = 0
    rows: cython.Py_ssize_t
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    offset: cython.Py_ssize_t
    zero: cython.Py_ssize_t = 0
    one: cython.Py_ssize_t = 1
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    below: cython.Py_ssize_t = of_layer(plan, layer - 1, SIZE)
    strip_rows: cython.Py_ssize_t = tile_rows(parameters)
    shrink: floating = constant(parameters, shrink_)
    squares: cython.double = 0.0
    source: cython.pointer[floating] = inputs
    stride: cython.Py_ssize_t = input_stride
    d: cython.pointer[floating] = at(work, of_layer(plan, layer, DELTA))
    partial: cython.pointer[floating] = at(work, plan[STRIP] + strip_rows * width)
    g: cython.pointer[floating]
    w: cython.pointer[floating]
    if layer > 1:
        source = at(work, of_layer(plan, layer - 1, ACTIVATED))
        stride = of_layer(plan, layer - 1, PADDED)
    for j in range(width):
        partial[j] = constant(parameters, 0.0)
    while first < below:
        rows = min(strip_rows, below - first)
        offset = of_layer(plan, layer, WEIGHTS) + first * width
        w = at(parameters, offset)
        g = at(gradient, offset) if plan[OPTIMIZER] == GRADIENT_ONLY else at(work, plan[STRIP])
        if plan[NUMERICAL]:
            g = at(gradient, offset)
        else:
            product(rows, width, count, at(source, first), one, stride, d, width, g, width, zero)
        if shrink_ != 0.0:
            for i in range(rows):
                for j in range(width):
                    partial[j] = partial[j] + w[i * width + j] * w[i * width + j]
            for i in range(rows * width):
                g[i] = g[i] + shrink * w[i]
        if plan[OPTIMIZER] != GRADIENT_ONLY:
            apply_update(plan[OPTIMIZER], settings, progress[RATE], progress[STEP_SIZE], w, g, at(moments, offset), at(moments, plan[N_PARAMETERS] + offset), rows * width)
            if layer > 1:
                transpose(plan, layer, first, first + rows, parameters, work)
        first += rows
    for j in range(width):
        squares += partial[j]
    return squares


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_bias(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], progress: cython.pointer[cython.double], layer: cython.Py_ssize_t, count: cython.Py_ssize_t, parameters: cython.pointer[floating], gradient: cython.pointer[floating], moments: cython.pointer[floating], work: cython.pointer[floating]) -> cython.int:
    # the bias gradient is the column sums of D
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    offset: cython.Py_ssize_t = of_layer(plan, layer, WEIGHTS) + of_layer(plan, layer - 1, SIZE) * width
    d: cython.pointer[floating] = at(work, of_layer(plan, layer, DELTA))
    g: cython.pointer[floating] = at(gradient, offset) if plan[OPTIMIZER] == GRADIENT_ONLY else at(work, plan[STRIP])
    if plan[NUMERICAL]:
        g = at(gradient, offset)
    else:
        for j in range(width):
            g[j] = constant(parameters, 0.0)
        for r in range(count):
            for j in range(width):
                g[j] = g[j] + d[r * width + j]
    if plan[OPTIMIZER] != GRADIENT_ONLY and not plan[FIXED_BIAS]:
        apply_update(plan[OPTIMIZER], settings, progress[RATE], progress[STEP_SIZE], at(parameters, offset), g, at(moments, offset), at(moments, plan[N_PARAMETERS] + offset), width)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def batch_loss(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], count: cython.Py_ssize_t, share: cython.double, targets: cython.pointer[floating], row_weights: cython.pointer[floating], work: cython.pointer[floating]) -> cython.double:
    # the loss of the rows just passed forward, times share; its derivative goes to the last layer's delta
    last: cython.Py_ssize_t = plan[N_LAYERS]
    width: cython.Py_ssize_t = of_layer(plan, last, PADDED)
    d: cython.pointer[floating] = at(work, of_layer(plan, last, DELTA))
    total: cython.double
    root: cython.double
    total = loss_rows(plan[LOSS], settings, at(work, of_layer(plan, last, RAW)), at(work, of_layer(plan, last, ACTIVATED)), width, targets, row_weights, plan[WEIGHTED], count, of_layer(plan, last, SIZE), share * settings[GRADIENT_FACTOR], d, at(work, plan[PACKED]))
    total = total * share
    if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR:
        root = square_root(total * settings[VALUE_FACTOR])
        scale_by_root(root, d, count * width)
        return root
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def step(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], progress: cython.pointer[cython.double], inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, targets: cython.pointer[floating], row_weights: cython.pointer[floating], parameters: cython.pointer[floating], gradient: cython.pointer[floating], moments: cython.pointer[floating], work: cython.pointer[floating]) -> cython.double:
    # one batch: the loss before the step, and the step. Joint moves all parameters by one gradient; sequential, layer by
    # layer, the weights and then the bias, each by the gradient at what the ones before it have become
    layer: cython.Py_ssize_t
    part: cython.Py_ssize_t
    zero: cython.Py_ssize_t = 0
    lowest: cython.Py_ssize_t = 1
    share: cython.double = 1.0
    value: cython.double = 0.0
    squares: cython.double = 0.0
    shrink: cython.double
    mass: cython.double = total_weight(row_weights, plan[WEIGHTED], count)
    from_raw: cython.Py_ssize_t = 1 if plan[LOSS] >= FROM_RAW else 0
    if mass == 0.0:
        return 0.0
    if plan[MEAN]:
        share = 1.0 / mass
    shrink = settings[ALPHA] / mass
    if plan[OPTIMIZER] != GRADIENT_ONLY:
        begin_step(plan[OPTIMIZER], settings, progress)
    forward_pass(plan, inputs, input_stride, count, parameters, work)
    value = batch_loss(plan, settings, count, share, targets, row_weights, work)
    if plan[LOSS] != ROOT_MEAN_SQUARED_ERROR:
        value = value * settings[VALUE_FACTOR]
    if not plan[SEQUENTIAL]:
        if plan[NUMERICAL]:
            for layer in range(1, plan[N_LAYERS] + 1):
                for part in range(2):
                    difference_gradient(plan, settings, layer, part, inputs, input_stride, count, share, targets, row_weights, parameters, gradient, work)
        else:
            backward_pass(plan, from_raw, lowest, count, work)
        for layer in range(plan[N_LAYERS], 0, -1):
            squares += update_weights(plan, settings, progress, layer, inputs, input_stride, count, shrink, parameters, gradient, moments, work)
            update_bias(plan, settings, progress, layer, count, parameters, gradient, moments, work)
    else:
        for layer in range(1, plan[N_LAYERS] + 1):
            for part in range(2):
                if plan[NUMERICAL]:
                    difference_gradient(plan, settings, layer, part, inputs, input_stride, count, share, targets, row_weights, parameters, gradient, work)
                else:
                    forward_pass(plan, inputs, input_stride, count, parameters, work)
                    batch_loss(plan, settings, count, share, targets, row_weights, work)
                    backward_pass(plan, from_raw, lowest, count, work)
                if part == zero:
                    squares += update_weights(plan, settings, progress, layer, inputs, input_stride, count, shrink, parameters, gradient, moments, work)
                else:
                    update_bias(plan, settings, progress, layer, count, parameters, gradient, moments, work)
    return value + 0.5 * shrink * squares


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_kernel(plan_: cython.Py_ssize_t[::1], x: floating[::1], parameters: floating[::1], work: floating[::1], output: floating[::1]) -> cython.int:
    # predictions of N_ROWS rows, BATCH_SIZE at a time
    plan: cython.pointer[cython.Py_ssize_t] = ptr(plan_)
    first: cython.Py_ssize_t = 0
    count: cython.Py_ssize_t
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    width: cython.Py_ssize_t = of_layer(plan, 0, SIZE)
    last: cython.Py_ssize_t = plan[N_LAYERS]
    outputs: cython.Py_ssize_t = of_layer(plan, last, SIZE)
    stride: cython.Py_ssize_t = of_layer(plan, last, PADDED)
    a: cython.pointer[floating] = at(ptr(work), of_layer(plan, last, ACTIVATED))
    y: cython.pointer[floating]
    while first < plan[N_ROWS]:
        count = min(plan[BATCH_SIZE], plan[N_ROWS] - first)
        forward_pass(plan, at(ptr(x), first * width), width, count, ptr(parameters), ptr(work))
        y = at(ptr(output), first * outputs)
        for r in range(count):
            for j in range(outputs):
                y[r * outputs + j] = a[r * stride + j]
        first += count
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def gradient_kernel(plan_: cython.Py_ssize_t[::1], settings: cython.double[::1], progress: cython.double[::1], x: floating[::1], targets: floating[::1], row_weights: floating[::1], parameters: floating[::1], gradient: floating[::1], work: floating[::1]) -> cython.double:
    # the loss of all N_ROWS rows as one batch and its gradient, by the step that trains
    plan: cython.pointer[cython.Py_ssize_t] = ptr(plan_)
    layer: cython.Py_ssize_t
    zero: cython.Py_ssize_t = 0
    for layer in range(2, plan[N_LAYERS] + 1):
        transpose(plan, layer, zero, of_layer(plan, layer - 1, SIZE), ptr(parameters), ptr(work))
    return step(plan, ptr(settings), ptr(progress), ptr(x), of_layer(plan, 0, SIZE), plan[N_ROWS], ptr(targets), ptr(row_weights), ptr(parameters), ptr(gradient), ptr(gradient), ptr(work))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def backward_kernel(plan_: cython.Py_ssize_t[::1], settings: cython.double[::1], progress: cython.double[::1], x: floating[::1], output_gradient: floating[::1], parameters: floating[::1], gradient: floating[::1], input_gradient: floating[::1], work: floating[::1]) -> cython.int:
    # given dL/dY of N_ROWS rows: the gradient of every parameter, and dL/dX
    plan: cython.pointer[cython.Py_ssize_t] = ptr(plan_)
    n: cython.Py_ssize_t = plan[N_ROWS]
    last: cython.Py_ssize_t = plan[N_LAYERS]
    layer: cython.Py_ssize_t
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    zero: cython.Py_ssize_t = 0
    outputs: cython.Py_ssize_t = of_layer(plan, last, SIZE)
    stride: cython.Py_ssize_t = of_layer(plan, last, PADDED)
    inputs: cython.Py_ssize_t = of_layer(plan, 0, SIZE)
    d: cython.pointer[floating] = at(ptr(work), of_layer(plan, last, DELTA))
    dx: cython.pointer[floating]
    dy: cython.pointer[floating] = ptr(output_gradient)
    for layer in range(1, last + 1):
        transpose(plan, layer, zero, of_layer(plan, layer - 1, SIZE), ptr(parameters), ptr(work))
    forward_pass(plan, ptr(x), inputs, n, ptr(parameters), ptr(work))
    for r in range(n):
        for j in range(outputs):
            d[r * stride + j] = dy[r * outputs + j]
    backward_pass(plan, zero, zero, n, ptr(work))
    for layer in range(1, last + 1):
        update_weights(plan, ptr(settings), ptr(progress), layer, ptr(x), inputs, n, 0.0, ptr(parameters), ptr(gradient), ptr(gradient), ptr(work))
        update_bias(plan, ptr(settings), ptr(progress), layer, n, ptr(parameters), ptr(gradient), ptr(gradient), ptr(work))
    d = at(ptr(work), of_layer(plan, zero, DELTA))
    dx = ptr(input_gradient)
    stride = of_layer(plan, zero, PADDED)
    for r in range(n):
        for j in range(inputs):
            dx[r * inputs + j] = d[r * stride + j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def all_finite(x: cython.pointer[floating], n: cython.Py_ssize_t) -> cython.int:
    i: cython.Py_ssize_t
    zero: floating = constant(x, 0.0)
    bad: cython.int = 0
    for i in range(n):
        bad = bad | (1 if x[i] - x[i] != zero else 0)
    return 1 - bad


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_epoch(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], progress: cython.pointer[cython.double], loss: cython.double) -> cython.int:
    # scikit-learn's order: the count of epochs, the improvement test, the schedule, the stop
    progress[EPOCHS] += 1.0
    progress[ROWS_SEEN] += plan[N_ROWS]
    if loss > progress[BEST_LOSS] - settings[TOLERANCE]:
        progress[NO_IMPROVEMENT] += 1.0
    else:
        progress[NO_IMPROVEMENT] = 0.0
    if loss < progress[BEST_LOSS]:
        progress[BEST_LOSS] = loss
    if plan[SCHEDULE] == INVERSE_SCALING:
        progress[RATE] = settings[LEARNING_RATE] / power(progress[ROWS_SEEN] + 1.0, settings[POWER_T])
    if progress[NO_IMPROVEMENT] > settings[N_ITER_NO_CHANGE]:
        progress[STOPPED] = CONVERGED
        if plan[SCHEDULE] == ADAPTIVE and progress[RATE] > 1e-6:
            progress[STOPPED] = RUNNING
            progress[RATE] = progress[RATE] / 5.0
            progress[NO_IMPROVEMENT] = 0.0
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def train_kernel(plan_: cython.Py_ssize_t[::1], settings_: cython.double[::1], progress_: cython.double[::1], x_: floating[::1], targets_: floating[::1], row_weights_: floating[::1], rows: cython.Py_ssize_t[::1], parameters_: floating[::1], kept: floating[::1], gradient_: floating[::1], moments_: floating[::1], work_: floating[::1], history: cython.double[::1]) -> cython.int:
    # up to N_EPOCHS epochs of batches in the order of `rows`, or MOST_STEPS steps: a call goes on where the last one left
    # the epoch (POSITION). `kept` is the parameters as of the last epoch that ended finite; history takes each epoch's
    # loss, every batch before its own step. Returns how many epochs ended
    plan: cython.pointer[cython.Py_ssize_t] = ptr(plan_)
    settings: cython.pointer[cython.double] = ptr(settings_)
    progress: cython.pointer[cython.double] = ptr(progress_)
    parameters: cython.pointer[floating] = ptr(parameters_)
    work: cython.pointer[floating] = ptr(work_)
    x: cython.pointer[floating] = ptr(x_)
    targets: cython.pointer[floating] = ptr(targets_)
    row_weights: cython.pointer[floating] = ptr(row_weights_)
    order: cython.pointer[cython.Py_ssize_t] = ptr(rows)
    row: cython.pointer[floating]
    batch: cython.pointer[floating] = at(work, of_layer(plan, 0, ACTIVATED))
    batch_targets: cython.pointer[floating] = at(work, plan[TARGETS])
    batch_weights: cython.pointer[floating] = at(work, plan[ROW_WEIGHTS])
    inputs: cython.Py_ssize_t = of_layer(plan, 0, SIZE)
    stride: cython.Py_ssize_t = of_layer(plan, 0, PADDED)
    outputs: cython.Py_ssize_t = of_layer(plan, plan[N_LAYERS], SIZE)
    layer: cython.Py_ssize_t
    epoch: cython.Py_ssize_t = 0
    first: cython.Py_ssize_t
    count: cython.Py_ssize_t
    r: cython.Py_ssize_t
    j: cython.Py_ssize_t
    k: cython.Py_ssize_t
    zero: cython.Py_ssize_t = 0
    value: cython.double
    mass: cython.double
    steps: cython.Py_ssize_t = 0
    for layer in range(2, plan[N_LAYERS] + 1):
        transpose(plan, layer, zero, of_layer(plan, layer - 1, SIZE), parameters, work)
    while epoch < plan[N_EPOCHS] and progress[STOPPED] == RUNNING:
        first = whole(progress[POSITION])
        while first < plan[N_ROWS]:
            if steps == plan[MOST_STEPS]:
                progress[POSITION] = first
                return epoch
            count = min(plan[BATCH_SIZE], plan[N_ROWS] - first)
            for r in range(count):
                k = order[epoch * plan[ORDER_STRIDE] + first + r]
                row = at(x, k * inputs)
                for j in range(inputs):
                    batch[r * stride + j] = row[j]
                row = at(targets, k * outputs)
                for j in range(outputs):
                    batch_targets[r * outputs + j] = row[j]
                if plan[WEIGHTED]:
                    batch_weights[r] = row_weights[k]
            value = step(plan, settings, progress, batch, stride, count, batch_targets, batch_weights, parameters, ptr(gradient_), ptr(moments_), work)
            if progress[BAD_STEP] == 0.0 and value - value != 0.0:
                progress[BAD_STEP] = progress[STEPS]
            # an epoch's loss is the mean over its rows: each batch's by its rows (as scikit-learn has it), or by their
            # weight, or a plain sum if the loss is one
            mass = count
            if not plan[BY_ROWS]:
                mass = total_weight(batch_weights, plan[WEIGHTED], count) if plan[MEAN] else 1.0
            progress[EPOCH_LOSS] += value * mass
            progress[EPOCH_MASS] += mass
            first += count
            steps += 1
        history[epoch] = progress[EPOCH_LOSS] if not (plan[BY_ROWS] or plan[MEAN]) else progress[EPOCH_LOSS] / progress[EPOCH_MASS]
        progress[POSITION] = 0.0
        progress[EPOCH_LOSS] = 0.0
        progress[EPOCH_MASS] = 0.0
        end_epoch(plan, settings, progress, history[epoch])
        if all_finite(parameters, plan[N_PARAMETERS]):
            for j in range(plan[N_PARAMETERS]):
                kept[j] = parameters[j]
        else:
            progress[STOPPED] = DIVERGED
        epoch += 1
    return epoch
