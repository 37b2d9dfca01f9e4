"""Update rules over a run of parameters, one branch each. Shared source.

SGD, momentum and Adam in scikit-learn's form: Adam's epsilon is not bias-corrected.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_update(
    kind: integer,
    settings: doubles,
    rate: cython.double,
    step_size_: cython.double,
    shrink_: cython.double,
    w: reals,
    g: reals,
    m: reals,
    v: reals,
    n: integer,
) -> cython.int:
    # by the gradient g + shrink w
    i: integer
    e: floating
    step_size: floating = constant(w, step_size_)
    shrink: floating = constant(w, shrink_)
    beta_1: floating = constant(w, settings[BETA_1])
    beta_2: floating = constant(w, settings[BETA_2])
    rest_1: floating = constant(w, 1.0 - settings[BETA_1])
    rest_2: floating = constant(w, 1.0 - settings[BETA_2])
    epsilon: floating = constant(w, settings[EPSILON])
    decay: floating = constant(w, rate * settings[WEIGHT_DECAY] if kind == ADAMW else 0.0)
    if kind == SGD:
        for i in range(n):
            w[i] = w[i] - step_size * (g[i] + shrink * w[i])
    elif kind == MOMENTUM:
        for i in range(n):
            e = g[i] + shrink * w[i]
            m[i] = beta_1 * m[i] - step_size * e
            w[i] = w[i] + m[i]
    elif kind == NESTEROV:
        for i in range(n):
            e = g[i] + shrink * w[i]
            m[i] = beta_1 * m[i] - step_size * e
            w[i] = w[i] + (beta_1 * m[i] - step_size * e)
    elif kind == ADAM or kind == ADAMW:
        for i in range(n):
            e = g[i] + shrink * w[i]
            m[i] = beta_1 * m[i] + rest_1 * e
            v[i] = beta_2 * v[i] + rest_2 * (e * e)
            w[i] = (w[i] - decay * w[i]) - step_size * m[i] / (square_root(v[i]) + epsilon)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def begin_step(kind: integer, schedule: integer, settings: doubles, progress: doubles) -> cython.int:
    # count the step and set its rate. Adam's is corrected for moments that start at zero, their decay carried as a
    # product
    done: cython.double = progress[STEPS] - settings[WARM_UP]
    progress[STEPS] += 1.0
    progress[STEP_RATE] = progress[RATE]
    if done < 0.0:
        progress[STEP_RATE] = progress[RATE] * progress[STEPS] / (settings[WARM_UP] + 1.0)
    elif schedule == COSINE:
        done = min(1.0, done / max(1.0, settings[TOTAL_STEPS] - settings[WARM_UP]))
        progress[STEP_RATE] = 0.5 * progress[RATE] * (1.0 + cosine(3.141592653589793 * done))
    progress[STEP_SIZE] = progress[STEP_RATE]
    if kind == ADAM or kind == ADAMW:
        progress[DECAYED_1] = settings[BETA_1] if progress[STEPS] == 1.0 else progress[DECAYED_1] * settings[BETA_1]
        progress[DECAYED_2] = settings[BETA_2] if progress[STEPS] == 1.0 else progress[DECAYED_2] * settings[BETA_2]
        progress[STEP_SIZE] = progress[STEP_RATE] * square_root(1.0 - progress[DECAYED_2]) / (1.0 - progress[DECAYED_1])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_kernel(
    kind: integer,
    settings: cython.double[::1],
    progress: cython.double[::1],
    parameters: floating[::1],
    gradient: floating[::1],
    moments: floating[::1],
) -> cython.int:
    # one step of a hand-made loop: every parameter, from a gradient the caller owns
    n: integer = parameters.shape[0]
    begin_step(kind, CONSTANT, ptr(settings), ptr(progress))
    apply_update(
        kind,
        ptr(settings),
        progress[STEP_RATE],
        progress[STEP_SIZE],
        0.0,
        ptr(parameters),
        ptr(gradient),
        ptr(moments),
        at(ptr(moments), n),
        n,
    )
    return 0
