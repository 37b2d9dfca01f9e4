"""Products of columns summed over rows, (x, y, 1)' diag(w) (x, y, 1), in one read of X. Shared source.

A row is packed as ((x - shift) scale, (y - shift) scale, 1, 0 ...), WIDTH numbers. Sums are plain doubles, or pairs of
a high and a low double whose sum is the number (Dekker 1971; the sum is Dot2 of Ogita, Rump and Oishi 2005): 106 bits.
"""

# The products of this many blocks are summed in doubles before they are added to the total, a pair: what rounding in
# one direction (columns of two values) can add up to is 128 / 4 units in the last place.
BLOCKS_OF_A_SUM = cython.declare(cython.int, 2)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pack_columns(
    source: reals,
    row_stride: integer,
    column_stride: integer,
    count: integer,
    ahead: integer,
    n: integer,
    shift: doubles,
    scale: doubles,
    to: doubles,
    width: integer,
) -> cython.int:
    r: integer
    j: integer
    row: reals
    line: doubles
    if column_stride == 1 and n >= WHOLE:
        for r in range(count):
            row = at(source, r * row_stride)
            line = at(to, r * width)
            # the rows of the next block, so far ahead, come while this one is computed
            j = 0
            while j < n:
                prefetch(at(row, ahead * row_stride + j))
                j += WHOLE
            for j in range(n):
                line[j] = (row[j] - shift[j]) * scale[j]
    else:
        for j in range(n):
            row = at(source, j * column_stride)
            r = 0
            while r < count:
                prefetch(at(row, (ahead + r) * row_stride))
                r += WHOLE
            for r in range(count):
                to[r * width + j] = (row[r * row_stride] - shift[j]) * scale[j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pack_lost(
    source: reals,
    row_stride: integer,
    column_stride: integer,
    count: integer,
    n: integer,
    shift: doubles,
    scale: doubles,
    to: doubles,
    width: integer,
) -> cython.int:
    # what rounding took from each difference of `pack_columns` (Knuth's two-sum)
    r: integer
    j: integer
    x: cython.double
    d: cython.double
    back: cython.double
    for r in range(count):
        for j in range(n):
            x = source[r * row_stride + j * column_stride]
            d = x - shift[j]
            back = d - x
            to[r * width + j] = ((x - (d - back)) - (shift[j] + back)) * scale[j]
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def clear_rows(plan: integers, work: doubles) -> cython.int:
    # what every block leaves as it is: the ones (zeros without INTERCEPT), and the padding
    j: integer
    r: integer
    one: cython.double = 1.0 if plan[PASS_INTERCEPT] else 0.0
    for j in range(plan[PASS_WORK]):
        work[j] = 0.0
    for r in range(BLOCK_OF_ROWS):
        work[r * plan[PASS_WIDTH] + plan[PASS_FEATURES] + plan[PASS_OUTPUTS]] = one
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def pack_rows(
    plan: integers,
    x: reals,
    y: doubles,
    shift: doubles,
    scale: doubles,
    first: integer,
    count: integer,
    rows: doubles,
    lost: doubles,
) -> cython.int:
    # the one and the padding are the caller's
    p: integer = plan[PASS_FEATURES]
    q: integer = plan[PASS_OUTPUTS]
    width: integer = plan[PASS_WIDTH]
    x = at(x, first * plan[PASS_X_ROW])
    pack_columns(x, plan[PASS_X_ROW], plan[PASS_X_COLUMN], count, plan[PASS_STEP], p, shift, scale, rows, width)
    if plan[PASS_IN_PAIRS]:
        pack_lost(x, plan[PASS_X_ROW], plan[PASS_X_COLUMN], count, p, shift, scale, lost, width)
    if q > 0:
        y = at(y, first * plan[PASS_Y_ROW])
        pack_columns(
            y,
            plan[PASS_Y_ROW],
            plan[PASS_Y_COLUMN],
            count,
            plan[PASS_STEP],
            q,
            at(shift, p),
            at(scale, p),
            at(rows, p),
            width,
        )
        if plan[PASS_IN_PAIRS]:
            pack_lost(
                y, plan[PASS_Y_ROW], plan[PASS_Y_COLUMN], count, q, at(shift, p), at(scale, p), at(lost, p), width
            )
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_products(
    count: integer, size: integer, width: integer, left: doubles, rows: doubles, total: doubles, keep: integer
) -> cython.int:
    # total = left' rows, added to it if `keep`: on and right of the diagonal among the columns that make whole vectors;
    # of the columns that are left over, whole lines: where they are few, that costs less than a vector of them in every
    # line
    i: integer = 0
    whole: integer = size // WHOLE * WHOLE
    while i < whole:
        product(
            WHOLE,
            whole - i,
            count,
            at(left, i),
            1,
            width,
            at(rows, i),
            width,
            at(total, i * width + i),
            width,
            at(total, i * width + i),
            width,
            keep,
        )
        i += WHOLE
    # four lines take half the time of eight; a single line waits for its own sums, four times as long as in a tile
    i = (size - whole) // 4 * (width // 2) + (size - whole) % 4 * 4 * (width // 32 + width % 32 // 16 + width % 16 // 8)
    i = size - whole if i < width else WHOLE
    product(
        i if width > whole else 0,
        width,
        count,
        at(left, whole),
        1,
        width,
        rows,
        width,
        at(total, whole * width),
        width,
        at(total, whole * width),
        width,
        keep,
    )
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_multiple(
    factor: cython.double,
    factor_low: cython.double,
    high: doubles,
    low: doubles,
    total: doubles,
    total_low: doubles,
    n: integer,
) -> cython.int:
    # total += factor (high + low), all in pairs; the low half of the total gathers what is lost and may grow
    j: integer
    p: cython.double
    before: cython.double
    after: cython.double
    back: cython.double
    for j in range(n):
        p = factor * high[j]
        before = total[j]
        after = before + p
        back = after - before
        total_low[j] = total_low[j] + (
            ((before - (after - back)) + (p - back))
            + (product_error(factor, high[j], p) + (factor * low[j] + factor_low * high[j]))
        )
        total[j] = after
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def normalise(high: doubles, low: doubles, n: integer) -> cython.int:
    # the same sums, with halves that do not overlap
    j: integer
    s: cython.double
    back: cython.double
    for j in range(n):
        s = high[j] + low[j]
        back = s - high[j]
        low[j] = (high[j] - (s - back)) + (low[j] - back)
        high[j] = s
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_to_pairs(size: integer, width: integer, part: doubles, high: doubles, low: doubles) -> cython.int:
    # what `add_products` has computed, to a total of pairs
    i: integer
    j: integer
    start: integer
    before: cython.double
    after: cython.double
    back: cython.double
    whole: integer = size // WHOLE * WHOLE
    for i in range(size):
        start = i * width + (i // WHOLE * WHOLE if i < whole else 0)
        for j in range(start, i * width + (whole if i < whole else width)):
            before = high[j]
            after = before + part[j]
            back = after - before
            low[j] = low[j] + ((before - (after - back)) + (part[j] - back))
            high[j] = after
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_products_in_pairs(
    count: integer,
    size: integer,
    width: integer,
    left: doubles,
    left_lost: doubles,
    rows: doubles,
    lost: doubles,
    high: doubles,
    low: doubles,
) -> cython.int:
    # as `add_products`, in pairs, four lines at a time; vectors of the machine that lie left of the diagonal, or in the
    # padding, are left out
    i: integer
    j: integer
    stop: integer
    first: integer = 0
    lanes: integer = vector_lanes(high)
    whole: integer = size // WHOLE * WHOLE
    while first < size:
        j = first // lanes * lanes if first < whole else 0
        stop = whole if first < whole else size
        while j < stop:
            if first + 4 <= size:
                pair_block(
                    count,
                    width,
                    at(left, first),
                    at(left_lost, first),
                    at(rows, j),
                    at(lost, j),
                    at(high, first * width + j),
                    at(low, first * width + j),
                )
            else:
                for i in range(first, size):
                    pair_line(
                        count,
                        width,
                        at(left, i),
                        at(left_lost, i),
                        at(rows, j),
                        at(lost, j),
                        at(high, i * width + j),
                        at(low, i * width + j),
                    )
            j += lanes
        first += 4
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def products_of_rows(
    plan: integers,
    x: reals,
    y: doubles,
    weights: doubles,
    shift: doubles,
    scale: doubles,
    high: doubles,
    low: doubles,
    rows: doubles,
) -> cython.int:
    # high + low, WIDTH x WIDTH: the products of rows FIRST to LAST, each at least once in the upper or the
    # lower triangle (0 where not computed; both, where computed twice, are equal). `rows` is what `clear_rows` has left
    width: integer = plan[PASS_WIDTH]
    size: integer = 1 + plan[PASS_FEATURES] + plan[PASS_OUTPUTS]
    lost: doubles = at(rows, BLOCK_OF_ROWS * width)
    left: doubles = rows
    left_lost: doubles = lost
    part: doubles = at(rows, plan[PASS_WORK])
    blocks: integer = 0
    first: integer = plan[PASS_FIRST]
    count: integer
    j: integer
    r: integer
    w: cython.double
    if plan[PASS_WEIGHTED]:
        left = at(rows, 2 * BLOCK_OF_ROWS * width)
        left_lost = at(rows, 3 * BLOCK_OF_ROWS * width)
    for j in range(width * width):
        high[j] = 0.0
        low[j] = 0.0
    while first < plan[PASS_LAST]:
        count = min(BLOCK_OF_ROWS, plan[PASS_LAST] - first)
        pack_rows(plan, x, y, shift, scale, first, count, rows, lost)
        if plan[PASS_WEIGHTED]:
            for r in range(count):
                w = weights[first + r]
                for j in range(r * width, (r + 1) * width):
                    left[j] = w * rows[j]
                if plan[PASS_IN_PAIRS]:
                    for j in range(r * width, (r + 1) * width):
                        left_lost[j] = product_error(w, rows[j], left[j]) + w * lost[j]
        if plan[PASS_IN_PAIRS]:
            add_products_in_pairs(count, size, width, left, left_lost, rows, lost, high, low)
        else:
            add_products(count, size, width, left, rows, part, blocks)
            blocks += 1
        first += BLOCK_OF_ROWS
        if blocks == BLOCKS_OF_A_SUM or (blocks and first >= plan[PASS_LAST]):
            add_to_pairs(size, width, part, high, low)
            blocks = 0
    normalise(high, low, width * width)
    # left of the diagonal machines with short vectors have computed less than others
    for r in range(size // WHOLE * WHOLE):
        if r % WHOLE >= 4:
            for j in range(r // WHOLE * WHOLE, r // 4 * 4):
                high[r * width + j] = 0.0
                low[r * width + j] = 0.0
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cross_products_kernel(
    plan: cython.Py_ssize_t[::1],
    x: floating[::1],
    y: cython.double[::1],
    row_weights: cython.double[::1],
    shift: cython.double[::1],
    scale: cython.double[::1],
    high: cython.double[::1],
    low: cython.double[::1],
    work: cython.double[::1],
) -> cython.int:
    clear_rows(ptr(plan), ptr(work))
    return products_of_rows(
        ptr(plan), ptr(x), ptr(y), ptr(row_weights), ptr(shift), ptr(scale), ptr(high), ptr(low), ptr(work)
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sum_pairs_kernel(count: integer, n: integer, sums_: cython.double[::1]) -> cython.int:
    # the first of `count` arrays of pairs, n high and n low halves, becomes the sum of all in their order
    sums: doubles = ptr(sums_)
    i: integer
    for i in range(1, count):
        add_multiple(1.0, 0.0, at(sums, 2 * i * n), at(sums, (2 * i + 1) * n), sums, at(sums, n), n)
    normalise(sums, at(sums, n), n)
    return 0
