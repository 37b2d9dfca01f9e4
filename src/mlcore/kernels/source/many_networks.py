"""Networks of one structure for many groups of rows, one after the other: the fit of each alone. Shared source.

Each begins with the draws of NumPy's RandomState of its seed: init_genrand and genrand_res53 of Matsumoto and
Nishimura, 1998 and 2002.
"""

SEED_FACTOR = cython.declare(cython.Py_ssize_t, 1812433253)
LAST_32_BITS = cython.declare(cython.Py_ssize_t, 0xFFFFFFFF)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def seed_words(words: integers, seed: integer) -> cython.int:
    i: integer
    words[0] = seed & LAST_32_BITS
    for i in range(1, N_WORDS):
        words[i] = (SEED_FACTOR * (words[i - 1] ^ (words[i - 1] >> 30)) + i) & LAST_32_BITS
    words[N_WORDS] = N_WORDS
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def draw_word(words: integers) -> integer:
    bits: integer
    if words[N_WORDS] == N_WORDS:
        next_words(words)
        words[N_WORDS] = 0
    bits = words[words[N_WORDS]]
    words[N_WORDS] += 1
    bits = bits ^ (bits >> 11)
    bits = bits ^ ((bits << 7) & TEMPER_7)
    bits = bits ^ ((bits << 15) & TEMPER_15)
    return bits ^ (bits >> 18)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def draw_uniform(words: integers, bound: cython.double) -> cython.double:
    # in [-bound, bound)
    high: integer = draw_word(words) >> 5
    low: integer = draw_word(words) >> 6
    return -bound + (2.0 * bound) * ((high * 67108864.0 + low) / 9007199254740992.0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def draw_parameters(plan: integers, bounds: doubles, words: integers, parameters: reals) -> cython.int:
    # weights, then biases, layer by layer; the padding is 0
    layer: integer
    i: integer
    j: integer
    below: integer
    line: reals
    zero: floating = constant(parameters, 0.0)
    for i in range(plan[N_PARAMETERS]):
        parameters[i] = zero
    for layer in range(1, plan[N_LAYERS] + 1):
        below = of_layer(plan, layer - 1, SIZE)
        for i in range(below + 1):
            line = at(parameters, of_layer(plan, layer, WEIGHTS) + i * of_layer(plan, layer, PADDED))
            for j in range(of_layer(plan, layer, SIZE)):
                line[j] = cast(zero, draw_uniform(words, bounds[layer - 1]))
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def many_networks_kernel(
    plan_: cython.Py_ssize_t[::1],
    settings_: cython.double[::1],
    bounds: cython.double[::1],
    x: floating[::1],
    targets: floating[::1],
    row_weights: floating[::1],
    rows_: cython.Py_ssize_t[::1],
    first_: cython.Py_ssize_t[::1],
    count_: cython.Py_ssize_t[::1],
    seeds_: cython.Py_ssize_t[::1],
    batch_size: integer,
    parameters_: floating[::1],
    moments_: floating[::1],
    progress_: cython.double[::1],
    history_: cython.double[::1],
    epochs_: cython.Py_ssize_t[::1],
    sums: cython.double[::1],
    scratch_: floating[::1],
    order_: cython.Py_ssize_t[::1],
    generator_: cython.Py_ssize_t[::1],
    team: cython.Py_ssize_t[::1],
) -> cython.int:
    # Of each group, whose rows are rows[first[g]] to rows[first[g] + count[g] - 1]: the parameters after N_EPOCHS
    # epochs or fewer, and what `train` leaves of moments, progress (which says where to begin) and history. Each has
    # its own settings, N_SETTINGS numbers. A group without rows is left out. scratch: the parameters of before, room
    # for a gradient, then the plan's work
    plan: integers = ptr(plan_)
    settings: doubles = ptr(settings_)
    first: integers = ptr(first_)
    count: integers = ptr(count_)
    seeds: integers = ptr(seeds_)
    parameters: reals = ptr(parameters_)
    moments: reals = ptr(moments_)
    progress: doubles = ptr(progress_)
    history: doubles = ptr(history_)
    epochs: integers = ptr(epochs_)
    kept: reals = ptr(scratch_)
    gradient: reals = at(kept, plan[N_PARAMETERS])
    work: reals = at(gradient, plan[N_PARAMETERS])
    order: integers = ptr(order_)
    words: integers = ptr(generator_)
    n_groups: integer = first_.shape[0]
    n_moments: integer = 0 if plan[OPTIMIZER] == SGD else 2 * plan[N_PARAMETERS]
    g: integer
    i: integer
    for g in range(n_groups):
        for i in range(n_moments):
            moments[i] = constant(moments, 0.0)
        epochs[g] = 0
        if count[g] > 0:
            plan[N_ROWS] = count[g]
            plan[BATCH_SIZE] = min(batch_size, count[g])
            for i in range(count[g]):
                order[i] = at(ptr(rows_), first[g])[i]
            seed_words(words, seeds[g])
            draw_parameters(plan, ptr(bounds), words, parameters)
            for i in range(plan[N_PARAMETERS]):
                kept[i] = parameters[i]
            epochs[g] = train_epochs(
                plan,
                settings,
                progress,
                ptr(sums),
                ptr(x),
                ptr(targets),
                ptr(row_weights),
                order,
                parameters,
                kept,
                gradient,
                moments,
                work,
                history,
                words,
                ptr(team),
                0,
            )
        settings = at(settings, N_SETTINGS)
        parameters = at(parameters, plan[N_PARAMETERS])
        moments = at(moments, n_moments)
        progress = at(progress, N_PROGRESS)
        history = at(history, plan[N_EPOCHS])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def many_forward_kernel(
    plan_: cython.Py_ssize_t[::1],
    x: floating[::1],
    first_: cython.Py_ssize_t[::1],
    count_: cython.Py_ssize_t[::1],
    models: cython.Py_ssize_t[::1],
    parameters: floating[::1],
    output: floating[::1],
    work: floating[::1],
) -> cython.int:
    # predictions of groups of rows, each by the network at its place among the parameters
    plan: integers = ptr(plan_)
    first: integers = ptr(first_)
    count: integers = ptr(count_)
    g: integer
    for g in range(first_.shape[0]):
        forward_rows(
            plan,
            at(ptr(x), first[g] * of_layer(plan, 0, SIZE)),
            count[g],
            at(ptr(parameters), at(ptr(models), g)[0] * plan[N_PARAMETERS]),
            at(ptr(output), first[g] * of_layer(plan, plan[N_LAYERS], SIZE)),
            ptr(work),
        )
    return 0
