"""The passes of a feed-forward network, forward and back, over some rows of a batch. Shared source.

Names of the plan's entries stand in ids.py. Buffers come from `work`, whose parts the plan tells. Passes begin at
row `first` of a batch, so that threads can share it; every row's numbers are the same whoever makes them.
"""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def part(count: integer, thread: integer, threads: integer) -> integer:
    # where a thread's rows begin: multiples of 8, the last part taking the rest
    return count if thread == threads else (count + 7) // 8 * thread // threads * 8


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def whole_vectors(plan: integers, layer: integer, like: reals) -> integer:
    # the layer's units rounded up to this machine's vector; at most PADDED
    lanes: integer = vector_lanes(like)
    return (of_layer(plan, layer, SIZE) + lanes - 1) // lanes * lanes


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def whole_tiles(count: integer, like: reals) -> integer:
    # rows of work arrays rounded up to the tile's: what is computed behind the last row is never read
    rows: integer = tile_rows(like)
    return count if count <= 2 else (count + rows - 1) // rows * rows


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def activate_layer(plan: integers, layer: integer, count: integer, a: reals) -> cython.int:
    if of_layer(plan, layer, ACTIVATION) == SOFTMAX:
        softmax(a, count, of_layer(plan, layer, STRIDE))
    else:
        activate(of_layer(plan, layer, ACTIVATION), a, count * of_layer(plan, layer, STRIDE))
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_layer(
    plan: integers,
    layer: integer,
    below: reals,
    stride: integer,
    rows: integer,
    count: integer,
    parameters: reals,
    scratch: reals,
    keep_raw: integer,
    z: reals,
    a: reals,
) -> cython.int:
    # A = f(A_below W + b) for `count` rows (of the product: `rows`), and Z if it is kept. The last layer's rows stand
    # side by side without padding, so that narrow outputs fill whole vectors too
    r: integer
    j: integer
    width: integer = of_layer(plan, layer, PADDED)
    size: integer = of_layer(plan, layer, SIZE)
    size_below: integer = of_layer(plan, layer - 1, SIZE)
    weights: reals = at(parameters, of_layer(plan, layer, WEIGHTS))
    target: reals = scratch if layer == plan[N_LAYERS] else a
    product(
        rows,
        whole_vectors(plan, layer, a),
        size_below,
        below,
        stride,
        1,
        weights,
        width,
        target,
        width,
        at(weights, size_below * width),
        0,
        1,
    )
    if layer == plan[N_LAYERS]:
        for r in range(count):
            for j in range(size):
                a[r * size + j] = scratch[r * width + j]
    if keep_raw:
        for j in range(count * of_layer(plan, layer, STRIDE)):
            z[j] = a[j]
    activate_layer(plan, layer, count, a)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def drop_units(
    plan: integers,
    seed: cython.double,
    step: cython.double,
    layer: integer,
    first: integer,
    count: integer,
    a: reals,
    output: reals,
    mask: reals,
) -> cython.int:
    # inverted dropout: each unit of each row is 0 with the layer's probability, else scaled up. The stream is a
    # function of (seed, step, layer, row, unit) alone, whatever else was drawn and however rows are shared
    r: integer
    j: integer
    width: integer = of_layer(plan, layer, PADDED)
    probability: floating = constant(a, of_layer(plan, layer, DROPOUT) / 16777216.0)
    scale: floating = constant(a, 1.0 / (1.0 - of_layer(plan, layer, DROPOUT) / 16777216.0))
    zero: floating = constant(a, 0.0)
    key: integer
    for r in range(count):
        key = stream_key(seed, step, layer, first + r)
        for j in range(r * width, r * width + width):
            mask[j] = zero if uniform(zero, key, j - r * width) < probability else scale
            output[j] = a[j] * mask[j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_pass(
    plan: integers,
    seed: cython.double,
    step: cython.double,
    inputs: reals,
    input_stride: integer,
    first: integer,
    count: integer,
    parameters: reals,
    work: reals,
    outputs: reals,
) -> cython.int:
    # every layer's A for `count` rows from row `first` on; the last layer's go to `outputs`
    layer: integer
    below: reals = at(inputs, first * input_stride)
    stride: integer = input_stride
    # rows that the caller owns end where they end
    rows: integer = whole_tiles(count, parameters) if plan[GATHERED] else count
    place: integer
    a: reals
    for layer in range(1, plan[N_LAYERS] + 1):
        place = first * of_layer(plan, layer, STRIDE)
        a = at(outputs, place) if layer == plan[N_LAYERS] else at(work, of_layer(plan, layer, ACTIVATED) + place)
        forward_layer(
            plan,
            layer,
            below,
            stride,
            rows,
            count,
            parameters,
            at(work, plan[SCRATCH] + first * of_layer(plan, plan[N_LAYERS], PADDED)),
            of_layer(plan, layer, RAW) - of_layer(plan, layer, ACTIVATED),
            at(work, of_layer(plan, layer, RAW) + place),
            a,
        )
        if of_layer(plan, layer, DROPOUT):
            drop_units(
                plan,
                seed,
                step,
                layer,
                first,
                count,
                a,
                at(work, of_layer(plan, layer, OUTPUT) + place),
                at(work, of_layer(plan, layer, MASK) + place),
            )
        below = at(work, of_layer(plan, layer, OUTPUT) + place)
        stride = of_layer(plan, layer, STRIDE)
        rows = whole_tiles(count, parameters)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def chain_layer(plan: integers, layer: integer, count: integer, z: reals, a: reals, d: reals) -> cython.int:
    # dL/dA becomes dL/dZ
    if of_layer(plan, layer, ACTIVATION) == SOFTMAX:
        softmax_chain(a, d, count, of_layer(plan, layer, STRIDE))
    else:
        chain(of_layer(plan, layer, ACTIVATION), z, a, d, count * of_layer(plan, layer, STRIDE))
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def backward_pass(
    plan: integers, from_raw: integer, lowest: integer, first: integer, count: integer, work: reals
) -> cython.int:
    # SLOPES hold dL/dA of the last layer (dL/dZ if from_raw): make every layer's dL/dZ, down to dL/dA of layer `lowest`
    layer: integer = plan[N_LAYERS]
    width: integer = of_layer(plan, layer, PADDED)
    size: integer = of_layer(plan, layer, SIZE)
    below: integer
    r: integer
    j: integer
    place: integer = first * size
    slopes: reals = at(work, plan[SLOPES] + place)
    d: reals = at(work, of_layer(plan, layer, DELTA) + first * width)
    mask: reals
    if not from_raw:
        chain_layer(
            plan,
            layer,
            count,
            at(work, of_layer(plan, layer, RAW) + place),
            at(work, of_layer(plan, layer, ACTIVATED) + place),
            slopes,
        )
    for r in range(count):
        for j in range(size):
            d[r * width + j] = slopes[r * size + j]
    for layer in range(plan[N_LAYERS], lowest, -1):
        width = of_layer(plan, layer, PADDED)
        below = of_layer(plan, layer - 1, PADDED)
        place = first * below
        d = at(work, of_layer(plan, layer - 1, DELTA) + place)
        product(
            whole_tiles(count, work),
            whole_vectors(plan, layer - 1, work),
            of_layer(plan, layer, SIZE),
            at(work, of_layer(plan, layer, DELTA) + first * width),
            width,
            1,
            at(work, of_layer(plan, layer, TRANSPOSED)),
            below,
            d,
            below,
            d,
            0,
            0,
        )
        if layer > 1:
            if of_layer(plan, layer - 1, DROPOUT):
                mask = at(work, of_layer(plan, layer - 1, MASK) + place)
                for j in range(count * below):
                    d[j] = d[j] * mask[j]
            chain_layer(
                plan,
                layer - 1,
                count,
                at(work, of_layer(plan, layer - 1, RAW) + place),
                at(work, of_layer(plan, layer - 1, ACTIVATED) + place),
                d,
            )
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_rows(plan: integers, x: reals, n: integer, parameters: reals, output: reals, work: reals) -> cython.int:
    # predictions of n rows, BATCH_SIZE at a time
    first: integer = 0
    count: integer
    width: integer = of_layer(plan, 0, SIZE)
    outputs: integer = of_layer(plan, plan[N_LAYERS], SIZE)
    while first < n:
        count = min(plan[BATCH_SIZE], n - first)
        forward_pass(
            plan, 0.0, 0.0, at(x, first * width), width, 0, count, parameters, work, at(output, first * outputs)
        )
        first += count
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def forward_kernel(
    plan_: cython.Py_ssize_t[::1],
    x: floating[::1],
    parameters: floating[::1],
    output: floating[::1],
    work: floating[::1],
) -> cython.int:
    plan: integers = ptr(plan_)
    return forward_rows(plan, ptr(x), plan[N_ROWS], ptr(parameters), ptr(output), ptr(work))
