"""From deltas to moved weights, block by block: gradient, penalty, update and transposed copy while a block is in L1.

Shared source. A block is BLOCK_ROWS x BLOCK_COLUMNS of a layer's weight matrix. Threads share a layer's blocks; no sum
crosses one but those over blocks, which every thread makes in the same order, so their number changes no bit.
"""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def blocks_across(plan: integers, layer: integer, like: reals) -> integer:
    return (whole_vectors(plan, layer, like) + plan[BLOCK_COLUMNS] - 1) // plan[BLOCK_COLUMNS]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def weight_blocks(plan: integers, layer: integer, like: reals) -> integer:
    # how many blocks the layer's weights have; blocks_across more are the bias's
    return (
        (of_layer(plan, layer - 1, SIZE) + plan[BLOCK_ROWS] - 1) // plan[BLOCK_ROWS] * blocks_across(plan, layer, like)
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def transpose(
    plan: integers,
    layer: integer,
    first: integer,
    last: integer,
    left: integer,
    right: integer,
    parameters: reals,
    work: reals,
) -> cython.int:
    # rows first..last and columns left..right of the layer's weights, into its transposed copy
    i: integer
    j: integer
    width: integer = of_layer(plan, layer, PADDED)
    stride: integer = of_layer(plan, layer - 1, PADDED)
    weights: reals = at(parameters, of_layer(plan, layer, WEIGHTS))
    copy: reals = at(work, of_layer(plan, layer, TRANSPOSED))
    for j in range(left, min(right, of_layer(plan, layer, SIZE))):
        for i in range(first, last):
            copy[j * stride + i] = weights[i * width + j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def transpose_layer(plan: integers, layer: integer, parameters: reals, work: reals) -> cython.int:
    transpose(plan, layer, 0, of_layer(plan, layer - 1, SIZE), 0, of_layer(plan, layer, SIZE), parameters, work)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sum_of_squares(x: reals, stride: integer, rows: integer, columns: integer, partial: reals) -> cython.double:
    # column by column, eight rows at a time (few stores for a sum to wait on), then the columns in `partial`
    i: integer = 0
    j: integer
    total: cython.double = 0.0
    a: reals
    for j in range(columns):
        partial[j] = constant(x, 0.0)
    while i + 8 <= rows:
        a = at(x, i * stride)
        for j in range(columns):
            partial[j] = partial[j] + (
                (
                    (a[j] * a[j] + a[stride + j] * a[stride + j])
                    + (a[2 * stride + j] * a[2 * stride + j] + a[3 * stride + j] * a[3 * stride + j])
                )
                + (
                    (a[4 * stride + j] * a[4 * stride + j] + a[5 * stride + j] * a[5 * stride + j])
                    + (a[6 * stride + j] * a[6 * stride + j] + a[7 * stride + j] * a[7 * stride + j])
                )
            )
        i += 8
    while i < rows:
        a = at(x, i * stride)
        for j in range(columns):
            partial[j] = partial[j] + a[j] * a[j]
        i += 1
    i = 16
    while i < columns:
        a = at(partial, i)
        for j in range(min(16, columns - i)):
            partial[j] = partial[j] + a[j]
        i += 16
    for j in range(min(16, columns)):
        total += partial[j]
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def outer_product(rows: integer, columns: integer, a: reals, d: reals, g: reals) -> cython.int:
    # the gradient of a single row has nothing to sum: a tile would be all overhead
    i: integer
    j: integer
    factor: floating
    for i in range(rows):
        factor = a[i]
        for j in range(columns):
            g[j] = factor * d[j]
        g = at(g, columns)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def weight_gradient(
    plan: integers,
    layer: integer,
    row: integer,
    left: integer,
    rows: integer,
    columns: integer,
    inputs: reals,
    input_stride: integer,
    count: integer,
    work: reals,
    g: reals,
) -> cython.int:
    # g = A' D for one block of weights
    source: reals = inputs
    stride: integer = input_stride
    d: reals = at(work, of_layer(plan, layer, DELTA) + left)
    if layer > 1:
        source = at(work, of_layer(plan, layer - 1, OUTPUT))
        stride = of_layer(plan, layer - 1, PADDED)
    if layer > 1 or plan[GATHERED]:
        # rows of a work array end on a whole tile, and g has room for it
        rows = whole_tiles(rows, work)
    if count == 1:
        outer_product(rows, columns, at(source, row), d, g)
    else:
        product(rows, columns, count, at(source, row), 1, stride, d, of_layer(plan, layer, PADDED), g, columns, g, 0, 0)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def bias_gradient(
    plan: integers, layer: integer, left: integer, columns: integer, count: integer, work: reals, g: reals
) -> cython.int:
    # column sums of D, eight rows at a time
    r: integer = 0
    j: integer
    width: integer = of_layer(plan, layer, PADDED)
    d: reals = at(work, of_layer(plan, layer, DELTA) + left)
    for j in range(columns):
        g[j] = constant(work, 0.0)
    while r + 8 <= count:
        for j in range(columns):
            g[j] = g[j] + (
                ((d[j] + d[width + j]) + (d[2 * width + j] + d[3 * width + j]))
                + ((d[4 * width + j] + d[5 * width + j]) + (d[6 * width + j] + d[7 * width + j]))
            )
        d = at(d, 8 * width)
        r += 8
    while r < count:
        for j in range(columns):
            g[j] = g[j] + d[j]
        d = at(d, width)
        r += 1
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_block(
    plan: integers,
    settings: doubles,
    progress: doubles,
    width: integer,
    rows: integer,
    columns: integer,
    shrink: cython.double,
    w: reals,
    g: reals,
    g_stride: integer,
    m: reals,
    v: reals,
) -> cython.int:
    # a block that fills its rows is one run
    i: integer
    if columns == width and g_stride == width:
        columns = rows * columns
        rows = 1
    for i in range(rows):
        apply_update(
            plan[OPTIMIZER],
            settings,
            progress[STEP_RATE],
            progress[STEP_SIZE],
            shrink,
            at(w, i * width),
            at(g, i * g_stride),
            at(m, i * width),
            at(v, i * width),
            columns,
        )
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_layer(
    plan: integers,
    settings: doubles,
    progress: doubles,
    sums: doubles,
    layer: integer,
    first: integer,
    last: integer,
    stage: integer,
    scale_: cython.double,
    inputs: reals,
    input_stride: integer,
    count: integer,
    shrink_: cython.double,
    parameters: reals,
    gradient: reals,
    moments: reals,
    work: reals,
    thread: integer,
) -> cython.int:
    # Blocks first..last of a layer. Stage 1 leaves A' D + shrink W in `gradient` (NUMERICAL: adds shrink W to what
    # stands there); stage 2 moves by scale times what stands there; stage 3 does both at once, and `gradient` is not
    # touched. `sums` takes each block's squared weights, then each block's squared gradient.
    block: integer
    row: integer
    left: integer
    rows: integer
    columns: integer
    i: integer
    j: integer
    offset: integer
    below: integer = of_layer(plan, layer - 1, SIZE)
    width: integer = of_layer(plan, layer, PADDED)
    across: integer = blocks_across(plan, layer, work)
    weights: integer = weight_blocks(plan, layer, work)
    shrink: floating
    scale: floating = constant(work, scale_)
    buffer: reals = at(work, plan[BLOCK] + thread * plan[BLOCK_ROOM])
    partial: reals = at(buffer, plan[BLOCK_ROWS] * plan[BLOCK_COLUMNS])
    w: reals
    g: reals
    for block in range(first, last):
        # the bias is the row behind the last weights
        row = block // across * plan[BLOCK_ROWS] if block < weights else below
        left = block % across * plan[BLOCK_COLUMNS]
        rows = min(plan[BLOCK_ROWS], below - row) if block < weights else 1
        columns = min(plan[BLOCK_COLUMNS], whole_vectors(plan, layer, work) - left)
        offset = of_layer(plan, layer, WEIGHTS) + row * width + left
        shrink = constant(work, shrink_ if block < weights else 0.0)
        w = at(parameters, offset)
        g = at(gradient, offset)
        if stage & 1:
            if block < weights and shrink_ != 0.0:
                sums[of_layer(plan, layer, SUMS) + block] = sum_of_squares(w, width, rows, columns, partial)
            if not plan[NUMERICAL]:
                if block < weights:
                    weight_gradient(plan, layer, row, left, rows, columns, inputs, input_stride, count, work, buffer)
                else:
                    bias_gradient(plan, layer, left, columns, count, work, buffer)
        if stage == 1:
            for i in range(rows):
                for j in range(columns):
                    g[i * width + j] = (g[i * width + j] if plan[NUMERICAL] else buffer[i * columns + j]) + shrink * w[
                        i * width + j
                    ]
            if plan[CLIPPED]:
                sums[plan[N_SUMS] + of_layer(plan, layer, SUMS) + block] = sum_of_squares(
                    g, width, rows, columns, partial
                )
        if stage & 2 and not (plan[FIXED_BIAS] and block >= weights):
            if stage == 2 and scale_ != 1.0:
                for i in range(rows):
                    for j in range(columns):
                        g[i * width + j] = scale * g[i * width + j]
            if stage == 3:
                update_block(
                    plan,
                    settings,
                    progress,
                    width,
                    rows,
                    columns,
                    shrink,
                    w,
                    buffer,
                    columns,
                    at(moments, offset),
                    at(moments, plan[N_PARAMETERS] + offset),
                )
            else:
                update_block(
                    plan,
                    settings,
                    progress,
                    width,
                    rows,
                    columns,
                    constant(work, 0.0),
                    w,
                    g,
                    width,
                    at(moments, offset),
                    at(moments, plan[N_PARAMETERS] + offset),
                )
            if layer > 1 and block < weights:
                transpose(plan, layer, row, row + rows, left, left + columns, parameters, work)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_share(
    plan: integers,
    settings: doubles,
    progress: doubles,
    sums: doubles,
    stage: integer,
    scale: cython.double,
    inputs: reals,
    input_stride: integer,
    count: integer,
    shrink: cython.double,
    parameters: reals,
    gradient: reals,
    moments: reals,
    work: reals,
    thread: integer,
) -> cython.int:
    # this thread's blocks of every layer
    layer: integer
    blocks: integer
    for layer in range(plan[N_LAYERS], 0, -1):
        blocks = weight_blocks(plan, layer, work) + blocks_across(plan, layer, work)
        update_layer(
            plan,
            settings,
            progress,
            sums,
            layer,
            blocks * thread // plan[N_THREADS],
            blocks * (thread + 1) // plan[N_THREADS],
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
def sum_of_blocks(plan: integers, sums: doubles, with_bias: integer, like: reals) -> cython.double:
    layer: integer
    block: integer
    total: cython.double = 0.0
    for layer in range(plan[N_LAYERS], 0, -1):
        for block in range(weight_blocks(plan, layer, like) + with_bias * blocks_across(plan, layer, like)):
            total += sums[of_layer(plan, layer, SUMS) + block]
    return total
