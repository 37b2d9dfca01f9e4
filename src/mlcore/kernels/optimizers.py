"""Update rules over a run of parameters, one branch each. Shared source.

SGD, momentum and Adam in scikit-learn's form: Adam's epsilon is not bias-corrected.
"""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def apply_update(kind: cython.Py_ssize_t, settings: cython.pointer[cython.double], rate: cython.double, step_size_: cython.double, w: cython.pointer[floating], g: cython.pointer[floating], m: cython.pointer[floating], v: cython.pointer[floating], n: cython.Py_ssize_t) -> cython.int:
    i: cython.Py_ssize_t
    step_size: floating = constant(w, step_size_)
    beta_1: floating = constant(w, settings[BETA_1])
    beta_2: floating = constant(w, settings[BETA_2])
    rest_1: floating = constant(w, 1.0 - settings[BETA_1])
    rest_2: floating = constant(w, 1.0 - settings[BETA_2])
    epsilon: floating = constant(w, settings[EPSILON])
    decay: floating = constant(w, rate * settings[WEIGHT_DECAY])
    if kind == SGD:
        for i in range(n):
            w[i] = w[i] - step_size * g[i]
    elif kind == MOMENTUM:
        for i in range(n):
            m[i] = beta_1 * m[i] - step_size * g[i]
            w[i] = w[i] + m[i]
    elif kind == NESTEROV:
        for i in range(n):
            m[i] = beta_1 * m[i] - step_size * g[i]
            w[i] = w[i] + (beta_1 * m[i] - step_size * g[i])
    elif kind == ADAM or kind == ADAMW:
        if kind == ADAMW:
            for i in range(n):
                w[i] = w[i] - decay * w[i]
        for i in range(n):
            m[i] = beta_1 * m[i] + rest_1 * g[i]
            v[i] = beta_2 * v[i] + rest_2 * (g[i] * g[i])
            w[i] = w[i] - step_size * m[i] / (square_root(v[i]) + epsilon)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def begin_step(kind: cython.Py_ssize_t, settings: cython.pointer[cython.double], progress: cython.pointer[cython.double]) -> cython.int:
    # count the step; Adam's is corrected for moments that start at zero, their decay carried as a product
    progress[STEPS] += 1.0
    progress[STEP_SIZE] = progress[RATE]
    if kind == ADAM or kind == ADAMW:
        progress[DECAYED_1] = settings[BETA_1] if progress[STEPS] == 1.0 else progress[DECAYED_1] * settings[BETA_1]
        progress[DECAYED_2] = settings[BETA_2] if progress[STEPS] == 1.0 else progress[DECAYED_2] * settings[BETA_2]
        progress[STEP_SIZE] = progress[RATE] * square_root(1.0 - progress[DECAYED_2]) / (1.0 - progress[DECAYED_1])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_kernel(kind: cython.Py_ssize_t, settings: cython.double[::1], progress: cython.double[::1], parameters: floating[::1], gradient: floating[::1], moments: floating[::1]) -> cython.int:
    # one step of a hand-made loop: every parameter, from a gradient the caller owns
    n: cython.Py_ssize_t = parameters.shape[0]
    begin_step(kind, ptr(settings), ptr(progress))
    apply_update(kind, ptr(settings), progress[RATE], progress[STEP_SIZE], ptr(parameters), ptr(gradient), ptr(moments), at(ptr(moments), n), n)
    return 0
