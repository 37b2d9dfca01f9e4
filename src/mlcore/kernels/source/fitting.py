"""One gradient, and a fit by the epoch. Shared source, read twice: see AGAIN.

Here stands what is the same for `step` and for `course_step`. A compiler that reads it twice, with other names, makes
kernels that do not carry the other's step with them.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def gradient_kernel(
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
    # the loss of all N_ROWS rows as one batch and its gradient, by the step that trains, and by one thread, which looks
    # at no team
    plan: integers = ptr(plan_)
    mass: cython.double = total_weight(ptr(row_weights), plan[WEIGHTED], plan[N_ROWS])
    if mass == 0.0:
        return 0.0
    begin_training(plan, ptr(parameters), ptr(work), plan, 0)
    return step(
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
def train_epochs(
    plan: integers,
    settings: doubles,
    progress: doubles,
    sums: doubles,
    x: reals,
    targets: reals,
    row_weights: reals,
    rows: integers,
    parameters: reals,
    kept: reals,
    gradient: reals,
    moments: reals,
    work: reals,
    history: doubles,
    generator: integers,
    team: integers,
    thread: integer,
) -> integer:
    # up to N_EPOCHS epochs of batches in the order of `rows` (in that of the data unless GATHERED; SHUFFLED: drawn anew
    # before each), or MOST_STEPS steps: a call goes on where the last one left the epoch (POSITION). `kept` is the
    # parameters as of the last epoch that ended finite; history takes each epoch's loss, every batch before its own
    # step. `progress` is this thread's own. Returns how many epochs ended
    inputs: integer = of_layer(plan, 0, SIZE)
    first: integer
    count: integer
    mass: cython.double
    value: cython.double
    steps: integer = 0
    epoch: integer = 0
    begin_training(plan, parameters, work, team, thread)
    while epoch < plan[N_EPOCHS] and steps < plan[MOST_STEPS] and progress[STOPPED] == RUNNING:
        first = whole(progress[POSITION])
        count = min(plan[BATCH_SIZE], plan[N_ROWS] - first)
        mass = take_batch(plan, x, targets, row_weights, rows, first, count, work, generator, team, thread)
        value = 0.0
        # a batch without weight is left out whole: nobody meets in it
        if mass != 0.0:
            value = step(
                plan,
                settings,
                progress,
                sums,
                batch_of(plan, x, first * inputs, work, of_layer(plan, 0, ACTIVATED)),
                of_layer(plan, 0, PADDED) if plan[GATHERED] else inputs,
                count,
                mass,
                batch_of(plan, targets, first * of_layer(plan, plan[N_LAYERS], SIZE), work, plan[TARGETS]),
                batch_of(plan, row_weights, first * plan[WEIGHTED], work, plan[ROW_WEIGHTS]),
                parameters,
                gradient,
                moments,
                work,
                team,
                thread,
            )
        epoch = end_batch(plan, settings, progress, count, mass, value, parameters, kept, history, epoch, thread)
        steps += 1
    return epoch


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def train_kernel(
    plan: cython.Py_ssize_t[::1],
    settings: cython.double[::1],
    progress: cython.double[::1],
    sums: cython.double[::1],
    x: floating[::1],
    targets: floating[::1],
    row_weights: floating[::1],
    rows: cython.Py_ssize_t[::1],
    parameters: floating[::1],
    kept: floating[::1],
    gradient: floating[::1],
    moments: floating[::1],
    work: floating[::1],
    history: cython.double[::1],
    generator: cython.Py_ssize_t[::1],
    team: cython.Py_ssize_t[::1],
    thread: integer,
) -> integer:
    return train_epochs(
        ptr(plan),
        ptr(settings),
        at(ptr(progress), thread * N_PROGRESS),
        ptr(sums),
        ptr(x),
        ptr(targets),
        ptr(row_weights),
        ptr(rows),
        ptr(parameters),
        ptr(kept),
        ptr(gradient),
        ptr(moments),
        ptr(work),
        ptr(history),
        ptr(generator),
        ptr(team),
        thread,
    )
