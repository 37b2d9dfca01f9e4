"""From deltas to moved weights, block by block: gradient, penalty, update and transposed copy while a block is in L1.

Shared source. A block is BLOCK_ROWS x BLOCK_COLUMNS of a layer's weight matrix. Threads share a layer's blocks; no sum
crosses one but those over blocks, which every thread makes in the same order, so their number changes no bit.
"""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def blocks_across(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, like: cython.pointer[floating]) -> cython.Py_ssize_t:
    return (whole_vectors(plan, layer, like) + plan[BLOCK_COLUMNS] - 1) // plan[BLOCK_COLUMNS]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def weight_blocks(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, like: cython.pointer[floating]) -> cython.Py_ssize_t:
    # how many blocks the layer's weights have; blocks_across more are the bias's
    return (of_layer(plan, layer - 1, SIZE) + plan[BLOCK_ROWS] - 1) // plan[BLOCK_ROWS] * blocks_across(plan, layer, like)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def transpose(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, first: cython.Py_ssize_t, last: cython.Py_ssize_t, left: cython.Py_ssize_t, right: cython.Py_ssize_t, parameters: cython.pointer[floating], work: cython.pointer[floating]) -> cython.int:
    # rows first..last and columns left..right of the layer's weights, into its transposed copy
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    stride: cython.Py_ssize_t = of_layer(plan, layer - 1, PADDED)
    weights: cython.pointer[floating] = at(parameters, of_layer(plan, layer, WEIGHTS))
    copy: cython.pointer[floating] = at(work, of_layer(plan, layer, TRANSPOSED))
    for j in range(left, min(right, of_layer(plan, layer, SIZE))):
        for i in range(first, last):
            copy[j * stride + i] = weights[i * width + j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def transpose_layer(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, parameters: cython.pointer[floating], work: cython.pointer[floating]) -> cython.int:
    transpose(plan, layer, 0, of_layer(plan, layer - 1, SIZE), 0, of_layer(plan, layer, SIZE), parameters, work)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sum_of_squares(x: cython.pointer[floating], stride: cython.Py_ssize_t, rows: cython.Py_ssize_t, columns: cython.Py_ssize_t, partial: cython.pointer[floating]) -> cython.double:
    # column by column, eight rows at a time (few stores for a sum to wait on), then the columns in `partial`
    i: cython.Py_ssize_t = 0
    j: cython.Py_ssize_t
    total: cython.double = 0.0
    a: cython.pointer[floating]
    for j in range(columns):
        partial[j] = constant(x, 0.0)
    while i + 8 <= rows:
        a = at(x, i * stride)
        for j in range(columns):
            partial[j] = partial[j] + (((a[j] * a[j] + a[stride + j] * a[stride + j]) + (a[2 * stride + j] * a[2 * stride + j] + a[3 * stride + j] * a[3 * stride + j])) + ((a[4 * stride + j] * a[4 * stride + j] + a[5 * stride + j] * a[5 * stride + j]) + (a[6 * stride + j] * a[6 * stride + j] + a[7 * stride + j] * a[7 * stride + j])))
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
def outer_product(rows: cython.Py_ssize_t, columns: cython.Py_ssize_t, a: cython.pointer[floating], d: cython.pointer[floating], g: cython.pointer[floating]) -> cython.int:
    # the gradient of a single row has nothing to sum: a tile would be all overhead
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
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
def weight_gradient(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, row: cython.Py_ssize_t, left: cython.Py_ssize_t, rows: cython.Py_ssize_t, columns: cython.Py_ssize_t, inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, work: cython.pointer[floating], g: cython.pointer[floating]) -> cython.int:
    # g = A' D for one block of weights
    source: cython.pointer[floating] = inputs
    stride: cython.Py_ssize_t = input_stride
    d: cython.pointer[floating] = at(work, of_layer(plan, layer, DELTA) + left)
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
def bias_gradient(plan: cython.pointer[cython.Py_ssize_t], layer: cython.Py_ssize_t, left: cython.Py_ssize_t, columns: cython.Py_ssize_t, count: cython.Py_ssize_t, work: cython.pointer[floating], g: cython.pointer[floating]) -> cython.int:
    # column sums of D, eight rows at a time
    r: cython.Py_ssize_t = 0
    j: cython.Py_ssize_t
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    d: cython.pointer[floating] = at(work, of_layer(plan, layer, DELTA) + left)
    for j in range(columns):
        g[j] = constant(work, 0.0)
    while r + 8 <= count:
        for j in range(columns):
            g[j] = g[j] + (((d[j] + d[width + j]) + (d[2 * width + j] + d[3 * width + j])) + ((d[4 * width + j] + d[5 * width + j]) + (d[6 * width + j] + d[7 * width + j])))
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
def update_block(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], progress: cython.pointer[cython.double], width: cython.Py_ssize_t, rows: cython.Py_ssize_t, columns: cython.Py_ssize_t, shrink: cython.double, w: cython.pointer[floating], g: cython.pointer[floating], g_stride: cython.Py_ssize_t, m: cython.pointer[floating], v: cython.pointer[floating]) -> cython.int:
    # a block that fills its rows is one run
    i: cython.Py_ssize_t
    if columns == width and g_stride == width:
        columns = rows * columns
        rows = 1
    for i in range(rows):
        apply_update(plan[OPTIMIZER], settings, progress[STEP_RATE], progress[STEP_SIZE], shrink, at(w, i * width), at(g, i * g_stride), at(m, i * width), at(v, i * width), columns)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_layer(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], progress: cython.pointer[cython.double], sums: cython.pointer[cython.double], layer: cython.Py_ssize_t, first: cython.Py_ssize_t, last: cython.Py_ssize_t, stage: cython.Py_ssize_t, scale_: cython.double, inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, shrink_: cython.double, parameters: cython.pointer[floating], gradient: cython.pointer[floating], moments: cython.pointer[floating], work: cython.pointer[floating], thread: cython.Py_ssize_t) -> cython.int:
    # blocks first..last of a layer. Stage 1 leaves A' D + shrink W in `gradient` (NUMERICAL: adds shrink W to what stands
    # there); stage 2 moves by scale times what stands there; stage 3 does both at once, and `gradient` is not touched.
    # sums: of each block's squared weights, then of each block's squared gradient
    block: cython.Py_ssize_t
    row: cython.Py_ssize_t
    left: cython.Py_ssize_t
    rows: cython.Py_ssize_t
    columns: cython.Py_ssize_t
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    offset: cython.Py_ssize_t
    below: cython.Py_ssize_t = of_layer(plan, layer - 1, SIZE)
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    across: cython.Py_ssize_t = blocks_across(plan, layer, work)
    weights: cython.Py_ssize_t = weight_blocks(plan, layer, work)
    shrink: floating
    scale: floating = constant(work, scale_)
    buffer: cython.pointer[floating] = at(work, plan[BLOCK] + thread * plan[BLOCK_ROOM])
    partial: cython.pointer[floating] = at(buffer, plan[BLOCK_ROWS] * plan[BLOCK_COLUMNS])
    w: cython.pointer[floating]
    g: cython.pointer[floating]
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
                    g[i * width + j] = (g[i * width + j] if plan[NUMERICAL] else buffer[i * columns + j]) + shrink * w[i * width + j]
            if plan[CLIPPED]:
                sums[plan[N_SUMS] + of_layer(plan, layer, SUMS) + block] = sum_of_squares(g, width, rows, columns, partial)
        if stage & 2 and not (plan[FIXED_BIAS] and block >= weights):
            if stage == 2 and scale_ != 1.0:
                for i in range(rows):
                    for j in range(columns):
                        g[i * width + j] = scale * g[i * width + j]
            if stage == 3:
                update_block(plan, settings, progress, width, rows, columns, shrink, w, buffer, columns, at(moments, offset), at(moments, plan[N_PARAMETERS] + offset))
            else:
                update_block(plan, settings, progress, width, rows, columns, constant(work, 0.0), w, g, width, at(moments, offset), at(moments, plan[N_PARAMETERS] + offset))
            if layer > 1 and block < weights:
                transpose(plan, layer, row, row + rows, left, left + columns, parameters, work)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def update_share(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], progress: cython.pointer[cython.double], sums: cython.pointer[cython.double], stage: cython.Py_ssize_t, scale: cython.double, inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, shrink: cython.double, parameters: cython.pointer[floating], gradient: cython.pointer[floating], moments: cython.pointer[floating], work: cython.pointer[floating], thread: cython.Py_ssize_t) -> cython.int:
    # this thread's blocks of every layer
    layer: cython.Py_ssize_t
    blocks: cython.Py_ssize_t
    for layer in range(plan[N_LAYERS], 0, -1):
        blocks = weight_blocks(plan, layer, work) + blocks_across(plan, layer, work)
        update_layer(plan, settings, progress, sums, layer, blocks * thread // plan[N_THREADS], blocks * (thread + 1) // plan[N_THREADS], stage, scale, inputs, input_stride, count, shrink, parameters, gradient, moments, work, thread)
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sum_of_blocks(plan: cython.pointer[cython.Py_ssize_t], sums: cython.pointer[cython.double], with_bias: cython.Py_ssize_t, like: cython.pointer[floating]) -> cython.double:
    layer: cython.Py_ssize_t
    block: cython.Py_ssize_t
    total: cython.double = 0.0
    for layer in range(plan[N_LAYERS], 0, -1):
        for block in range(weight_blocks(plan, layer, like) + with_bias * blocks_across(plan, layer, like)):
            total += sums[of_layer(plan, layer, SUMS) + block]
    return total
