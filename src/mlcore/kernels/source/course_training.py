"""The course's ways to train: by central differences, or layer by layer. One thread. Shared source.

`fitting` makes kernels of `course_step` as of `step`, and compiles them apart: few fits need these.
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
