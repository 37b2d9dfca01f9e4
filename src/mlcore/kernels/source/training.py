"""One step, and what stands around it in a fit, for one thread or several that share each step. Shared source.

Every thread runs the same code on its share of the rows, then of the weights, and keeps its own `progress`, the same in
all: what decides (losses, norms, stops) is summed by each from the same numbers in the same order.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def batch_loss(
    plan: integers,
    settings: doubles,
    first: integer,
    count: integer,
    share: cython.double,
    targets: reals,
    row_weights: reals,
    work: reals,
) -> cython.int:
    # each element's loss in VALUES and its slope in SLOPES, for `count` rows from row `first` on
    last: integer = plan[N_LAYERS]
    size: integer = of_layer(plan, last, SIZE)
    place: integer = first * size
    loss_rows(
        plan[LOSS],
        settings,
        share * settings[GRADIENT_FACTOR],
        at(work, of_layer(plan, last, RAW) + place),
        at(work, of_layer(plan, last, ACTIVATED) + place),
        at(targets, place),
        at(row_weights, first * plan[WEIGHTED]),
        plan[WEIGHTED],
        count,
        size,
        at(work, plan[VALUES] + place),
        at(work, plan[SLOPES] + place),
    )
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def batch_value(
    plan: integers, settings: doubles, count: integer, share: cython.double, row_weights: reals, work: reals
) -> cython.double:
    # the loss of the whole batch from VALUES
    total: cython.double = (
        total_loss(at(work, plan[VALUES]), row_weights, plan[WEIGHTED], count, of_layer(plan, plan[N_LAYERS], SIZE))
        * share
        * settings[VALUE_FACTOR]
    )
    return square_root(total) if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR else total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def gradient_pass(
    plan: integers,
    settings: doubles,
    progress: doubles,
    inputs: reals,
    input_stride: integer,
    count: integer,
    share: cython.double,
    targets: reals,
    row_weights: reals,
    parameters: reals,
    work: reals,
    team: integers,
    thread: integer,
) -> cython.double:
    # the batch's loss, and every layer's dL/dZ in DELTA; threads share the rows
    last: integer = plan[N_LAYERS]
    size: integer = of_layer(plan, last, SIZE)
    first: integer = part(count, thread, plan[N_THREADS])
    rows: integer = part(count, thread + 1, plan[N_THREADS]) - first
    from_raw: integer = 1 if plan[LOSS] >= FROM_RAW else 0
    value: cython.double = 0.0
    forward_pass(
        plan,
        settings[DROPOUT_SEED],
        progress[STEPS],
        inputs,
        input_stride,
        first,
        rows,
        parameters,
        work,
        at(work, of_layer(plan, last, ACTIVATED)),
    )
    batch_loss(plan, settings, first, rows, share, targets, row_weights, work)
    if plan[LOSS] == ROOT_MEAN_SQUARED_ERROR:
        barrier(team, plan[N_THREADS])
        value = batch_value(plan, settings, count, share, row_weights, work)
        scale_by_root(value, at(work, plan[SLOPES] + first * size), rows * size)
    backward_pass(plan, from_raw, 1, first, rows, work)
    barrier(team, plan[N_THREADS])
    if plan[LOSS] != ROOT_MEAN_SQUARED_ERROR:
        value = batch_value(plan, settings, count, share, row_weights, work)
    return value


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def clip_scale(plan: integers, settings: doubles, sums: doubles, like: reals) -> cython.double:
    # what makes the gradient's length at most CLIP_NORM
    length: cython.double = square_root(sum_of_blocks(plan, at(sums, plan[N_SUMS]), 1, like))
    # a length that is not finite makes no direction: NaN lets the fit see that it diverged
    return (settings[CLIP_NORM] / length if length > settings[CLIP_NORM] else 1.0) + (length - length)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def move_parameters(
    plan: integers,
    settings: doubles,
    progress: doubles,
    sums: doubles,
    inputs: reals,
    input_stride: integer,
    count: integer,
    shrink: cython.double,
    parameters: reals,
    gradient: reals,
    moments: reals,
    work: reals,
    team: integers,
    thread: integer,
) -> cython.int:
    # all at once, from the deltas (NUMERICAL: from the gradient)
    stage: integer = 3
    scale: cython.double = 1.0
    if plan[NUMERICAL] or plan[CLIPPED] or plan[OPTIMIZER] == GRADIENT_ONLY:
        stage = 1
        update_share(
            plan,
            settings,
            progress,
            sums,
            stage,
            scale,
            inputs,
            input_stride,
            count,
            shrink,
            parameters,
            gradient,
            moments,
            work,
            thread,
        )
        stage = 2
        if plan[CLIPPED]:
            barrier(team, plan[N_THREADS])
            scale = clip_scale(plan, settings, sums, work)
    if plan[OPTIMIZER] != GRADIENT_ONLY:
        update_share(
            plan,
            settings,
            progress,
            sums,
            stage,
            scale,
            inputs,
            input_stride,
            count,
            shrink,
            parameters,
            gradient,
            moments,
            work,
            thread,
        )
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def step(
    plan: integers,
    settings: doubles,
    progress: doubles,
    sums: doubles,
    inputs: reals,
    input_stride: integer,
    count: integer,
    mass: cython.double,
    targets: reals,
    row_weights: reals,
    parameters: reals,
    gradient: reals,
    moments: reals,
    work: reals,
    team: integers,
    thread: integer,
) -> cython.double:
    # one batch whose rows weigh `mass` together: the loss before the step, with the penalty, and the step
    share: cython.double = 1.0 / mass if plan[MEAN] else 1.0
    shrink: cython.double = settings[ALPHA] / mass
    value: cython.double
    if plan[OPTIMIZER] != GRADIENT_ONLY:
        begin_step(plan[OPTIMIZER], plan[SCHEDULE], settings, progress)
    value = gradient_pass(
        plan,
        settings,
        progress,
        inputs,
        input_stride,
        count,
        share,
        targets,
        row_weights,
        parameters,
        work,
        team,
        thread,
    )
    move_parameters(
        plan,
        settings,
        progress,
        sums,
        inputs,
        input_stride,
        count,
        shrink,
        parameters,
        gradient,
        moments,
        work,
        team,
        thread,
    )
    barrier(team, plan[N_THREADS])
    if shrink != 0.0:
        value += 0.5 * shrink * sum_of_blocks(plan, sums, 0, work)
    return value


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def backward_kernel(
    plan_: cython.Py_ssize_t[::1],
    settings: cython.double[::1],
    progress: cython.double[::1],
    sums: cython.double[::1],
    x: floating[::1],
    output_gradient: floating[::1],
    parameters: floating[::1],
    gradient: floating[::1],
    input_gradient: floating[::1],
    work: floating[::1],
) -> cython.int:
    # given dL/dY of N_ROWS rows: the gradient of every parameter, and dL/dX
    plan: integers = ptr(plan_)
    n: integer = plan[N_ROWS]
    last: integer = plan[N_LAYERS]
    layer: integer
    r: integer
    j: integer
    inputs: integer = of_layer(plan, 0, SIZE)
    stride: integer = of_layer(plan, 0, PADDED)
    slopes: reals = at(ptr(work), plan[SLOPES])
    dx: reals = ptr(input_gradient)
    d: reals = at(ptr(work), of_layer(plan, 0, DELTA))
    for layer in range(1, last + 1):
        transpose_layer(plan, layer, ptr(parameters), ptr(work))
    forward_pass(
        plan, 0.0, 0.0, ptr(x), inputs, 0, n, ptr(parameters), ptr(work), at(ptr(work), of_layer(plan, last, ACTIVATED))
    )
    for j in range(n * of_layer(plan, last, SIZE)):
        slopes[j] = output_gradient[j]
    backward_pass(plan, 0, 0, 0, n, ptr(work))
    update_share(
        plan,
        ptr(settings),
        ptr(progress),
        ptr(sums),
        1,
        1.0,
        ptr(x),
        inputs,
        n,
        0.0,
        ptr(parameters),
        ptr(gradient),
        ptr(gradient),
        ptr(work),
        0,
    )
    for r in range(n):
        for j in range(inputs):
            dx[r * inputs + j] = d[r * stride + j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def all_finite(x: reals, n: integer) -> cython.int:
    i: integer
    zero: floating = constant(x, 0.0)
    bad: cython.int = 0
    for i in range(n):
        bad = bad | (1 if x[i] - x[i] != zero else 0)
    return 1 - bad


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_epoch(plan: integers, settings: doubles, progress: doubles, loss: cython.double) -> cython.int:
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
def gather(
    plan: integers,
    x: reals,
    targets: reals,
    row_weights: reals,
    order: integers,
    start: integer,
    first: integer,
    last: integer,
    work: reals,
) -> cython.int:
    # rows order[start + first..last] of the data, to rows first..last of the batch in `work`
    r: integer
    j: integer
    k: integer
    inputs: integer = of_layer(plan, 0, SIZE)
    stride: integer = of_layer(plan, 0, PADDED)
    outputs: integer = of_layer(plan, plan[N_LAYERS], SIZE)
    row: reals
    to: reals
    for r in range(first, last):
        k = order[start + r]
        row = at(x, k * inputs)
        to = at(work, of_layer(plan, 0, ACTIVATED) + r * stride)
        for j in range(inputs):
            to[j] = row[j]
        row = at(targets, k * outputs)
        to = at(work, plan[TARGETS] + r * outputs)
        for j in range(outputs):
            to[j] = row[j]
        if plan[WEIGHTED]:
            to = at(work, plan[ROW_WEIGHTS])
            to[r] = row_weights[k]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def draw_order(plan: integers, order: integers, generator: integers, team: integers, thread: integer) -> cython.int:
    # others may still read the last epoch's order, in batches without weight, where nobody meets
    barrier(team, plan[N_THREADS])
    if thread == 0:
        shuffle(order, generator, plan[N_ROWS])
    barrier(team, plan[N_THREADS])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def begin_training(plan: integers, parameters: reals, work: reals, team: integers, thread: integer) -> cython.int:
    layer: integer
    if thread == 0:
        for layer in range(2, plan[N_LAYERS] + 1):
            transpose_layer(plan, layer, parameters, work)
    barrier(team, plan[N_THREADS])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def batch_of(plan: integers, data: reals, offset: integer, work: reals, room: integer) -> reals:
    # where a part of the batch stands: gathered in its room, or in the data
    return at(work, room) if plan[GATHERED] else at(data, offset)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def take_batch(
    plan: integers,
    x: reals,
    targets: reals,
    row_weights: reals,
    order: integers,
    first: integer,
    count: integer,
    work: reals,
    generator: integers,
    team: integers,
    thread: integer,
) -> cython.double:
    # the weight of rows first..first + count, which are gathered if they have any (and not taken where they stand), in
    # an order that is drawn before an epoch's first
    j: integer
    mass: cython.double = count
    if plan[SHUFFLED] and first == 0:
        draw_order(plan, order, generator, team, thread)
    if not plan[GATHERED]:
        return total_weight(at(row_weights, first * plan[WEIGHTED]), plan[WEIGHTED], count)
    if plan[WEIGHTED]:
        mass = 0.0
        for j in range(first, first + count):
            mass += row_weights[order[j]]
    if mass != 0.0:
        gather(
            plan,
            x,
            targets,
            row_weights,
            order,
            first,
            part(count, thread, plan[N_THREADS]),
            part(count, thread + 1, plan[N_THREADS]),
            work,
        )
    return mass


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def end_batch(
    plan: integers,
    settings: doubles,
    progress: doubles,
    count: integer,
    mass: cython.double,
    value: cython.double,
    parameters: reals,
    kept: reals,
    history: doubles,
    epoch: integer,
    thread: integer,
) -> integer:
    # An epoch's loss is the mean over its rows: each batch's by its rows (as scikit-learn has it), or by their weight,
    # or a plain sum if the loss is one. Returns how many epochs have ended with this batch.
    j: integer
    if progress[BAD_STEP] == 0.0 and value - value != 0.0:
        progress[BAD_STEP] = progress[STEPS]
    if plan[BY_ROWS]:
        mass = count
    elif not plan[MEAN]:
        mass = 1.0
    progress[EPOCH_LOSS] += value * mass
    progress[EPOCH_MASS] += mass
    progress[POSITION] += count
    if progress[POSITION] < plan[N_ROWS]:
        return epoch
    value = progress[EPOCH_LOSS] if not (plan[BY_ROWS] or plan[MEAN]) else progress[EPOCH_LOSS] / progress[EPOCH_MASS]
    progress[POSITION] = 0.0
    progress[EPOCH_LOSS] = 0.0
    progress[EPOCH_MASS] = 0.0
    end_epoch(plan, settings, progress, value)
    # the parameters rest until every thread has done its next rows, and so has left here
    if not all_finite(parameters, plan[N_PARAMETERS]):
        progress[STOPPED] = DIVERGED
    elif thread == 0:
        for j in range(plan[N_PARAMETERS]):
            kept[j] = parameters[j]
    if thread == 0:
        history[epoch] = value
    return epoch + 1
