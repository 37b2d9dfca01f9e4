"""The course's ways to train: by central differences, or layer by layer. One thread. Shared source.

Compiled apart from the others' way, since few fits need these.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_value(
    plan: integers,
    settings: doubles,
    inputs: reals,
    input_stride: integer,
    count: integer,
    share: cython.double,
    targets: reals,
    row_weights: reals,
    parameters: reals,
    work: reals,
) -> cython.double:
    # the loss of the whole batch by one thread
    forward_pass(
        plan,
        0.0,
        0.0,
        inputs,
        input_stride,
        0,
        count,
        parameters,
        work,
        at(work, of_layer(plan, plan[N_LAYERS], ACTIVATED)),
    )
    batch_loss(plan, settings, 0, count, share, targets, row_weights, work)
    return batch_value(plan, settings, count, share, row_weights, work)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sequential_step(
    plan: integers,
    settings: doubles,
    progress: doubles,
    sums: doubles,
    inputs: reals,
    input_stride: integer,
    count: integer,
    share: cython.double,
    shrink: cython.double,
    targets: reals,
    row_weights: reals,
    parameters: reals,
    gradient: reals,
    moments: reals,
    work: reals,
    team: integers,
    thread: integer,
) -> cython.double:
    # layer by layer the weights and then the bias, each by the gradient at what the ones before it have become
    layer: integer
    half: integer
    first: integer
    last: integer
    stage: integer
    value: cython.double = forward_value(
        plan, settings, inputs, input_stride, count, share, targets, row_weights, parameters, work
    )
    for layer in range(1, plan[N_LAYERS] + 1):
        for half in range(2):
            first = weight_blocks(plan, layer, work) if half else 0
            last = weight_blocks(plan, layer, work) + half * blocks_across(plan, layer, work)
            if plan[NUMERICAL]:
                forward_pass(
                    plan,
                    0.0,
                    0.0,
                    inputs,
                    input_stride,
                    0,
                    count,
                    parameters,
                    work,
                    at(work, of_layer(plan, plan[N_LAYERS], ACTIVATED)),
                )
                difference_gradient(
                    plan,
                    settings,
                    layer,
                    of_layer(plan, layer - 1, SIZE) if half else 0,
                    of_layer(plan, layer - 1, SIZE) + half,
                    inputs,
                    input_stride,
                    count,
                    share,
                    targets,
                    row_weights,
                    parameters,
                    gradient,
                    work,
                )
                stage = 1
                update_layer(
                    plan,
                    settings,
                    progress,
                    sums,
                    layer,
                    first,
                    last,
                    stage,
                    1.0,
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
            else:
                gradient_pass(
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
                stage = 3
            update_layer(
                plan,
                settings,
                progress,
                sums,
                layer,
                first,
                last,
                stage,
                1.0,
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
    return value


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def course_step(
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
    # as `step`
    layer: integer
    share: cython.double = 1.0 / mass if plan[MEAN] else 1.0
    shrink: cython.double = settings[ALPHA] / mass
    value: cython.double
    if plan[OPTIMIZER] != GRADIENT_ONLY:
        begin_step(plan[OPTIMIZER], plan[SCHEDULE], settings, progress)
    if plan[SEQUENTIAL]:
        value = sequential_step(
            plan,
            settings,
            progress,
            sums,
            inputs,
            input_stride,
            count,
            share,
            shrink,
            targets,
            row_weights,
            parameters,
            gradient,
            moments,
            work,
            team,
            thread,
        )
    else:
        value = forward_value(
            plan, settings, inputs, input_stride, count, share, targets, row_weights, parameters, work
        )
        for layer in range(1, plan[N_LAYERS] + 1):
            difference_gradient(
                plan,
                settings,
                layer,
                0,
                of_layer(plan, layer - 1, SIZE) + 1,
                inputs,
                input_stride,
                count,
                share,
                targets,
                row_weights,
                parameters,
                gradient,
                work,
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
    if shrink != 0.0:
        value += 0.5 * shrink * sum_of_blocks(plan, sums, 0, work)
    return value


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def difference_kernel(
    plan_: cython.Py_ssize_t[::1],
    settings: cython.double[::1],
    progress: cython.double[::1],
    sums: cython.double[::1],
    x: floating[::1],
    targets: floating[::1],
    row_weights: floating[::1],
    parameters: floating[::1],
    gradient: floating[::1],
    work: floating[::1],
) -> cython.double:
    # as `gradient_kernel`, by central differences
    plan: integers = ptr(plan_)
    mass: cython.double = total_weight(ptr(row_weights), plan[WEIGHTED], plan[N_ROWS])
    if mass == 0.0:
        return 0.0
    return course_step(
        plan,
        ptr(settings),
        ptr(progress),
        ptr(sums),
        ptr(x),
        of_layer(plan, 0, SIZE),
        plan[N_ROWS],
        mass,
        ptr(targets),
        ptr(row_weights),
        ptr(parameters),
        ptr(gradient),
        ptr(gradient),
        ptr(work),
        plan,
        0,
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def train_course_kernel(
    plan_: cython.Py_ssize_t[::1],
    settings_: cython.double[::1],
    progress_: cython.double[::1],
    sums: cython.double[::1],
    x: floating[::1],
    targets: floating[::1],
    row_weights: floating[::1],
    rows: cython.Py_ssize_t[::1],
    parameters_: floating[::1],
    kept: floating[::1],
    gradient: floating[::1],
    moments: floating[::1],
    work_: floating[::1],
    history: cython.double[::1],
    generator: cython.Py_ssize_t[::1],
    team: cython.Py_ssize_t[::1],
    thread: integer,
) -> cython.int:
    # as `train_kernel`
    plan: integers = ptr(plan_)
    settings: doubles = ptr(settings_)
    progress: doubles = at(ptr(progress_), thread * N_PROGRESS)
    parameters: reals = ptr(parameters_)
    work: reals = ptr(work_)
    inputs: integer = of_layer(plan, 0, SIZE)
    first: integer
    count: integer
    mass: cython.double
    value: cython.double
    steps: integer = 0
    epoch: integer = 0
    begin_training(plan, parameters, work, ptr(team), thread)
    while epoch < plan[N_EPOCHS] and steps < plan[MOST_STEPS] and progress[STOPPED] == RUNNING:
        first = whole(progress[POSITION])
        count = min(plan[BATCH_SIZE], plan[N_ROWS] - first)
        mass = take_batch(
            plan,
            ptr(x),
            ptr(targets),
            ptr(row_weights),
            ptr(rows),
            first,
            count,
            work,
            ptr(generator),
            ptr(team),
            thread,
        )
        value = 0.0
        # a batch without weight is left out whole: nobody meets in it
        if mass != 0.0:
            value = course_step(
                plan,
                settings,
                progress,
                ptr(sums),
                batch_of(plan, ptr(x), first * inputs, work, of_layer(plan, 0, ACTIVATED)),
                of_layer(plan, 0, PADDED) if plan[GATHERED] else inputs,
                count,
                mass,
                batch_of(plan, ptr(targets), first * of_layer(plan, plan[N_LAYERS], SIZE), work, plan[TARGETS]),
                batch_of(plan, ptr(row_weights), first * plan[WEIGHTED], work, plan[ROW_WEIGHTS]),
                parameters,
                ptr(gradient),
                ptr(moments),
                work,
                ptr(team),
                thread,
            )
        epoch = end_batch(
            plan, settings, progress, count, mass, value, parameters, ptr(kept), ptr(history), epoch, thread
        )
        steps += 1
    return epoch
