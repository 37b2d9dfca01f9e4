"""C = A B by register tiles: blocking and tails around the one routine each compiler has for itself. Shared source."""

# A block of this many rows of B is used again and again while it is in L1: two vectors wide, it takes 16 KiB at 64
# bytes a vector.
BLOCK_DEPTH = cython.declare(cython.int, 128)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def product(
    m: integer,
    n: integer,
    k: integer,
    a: reals,
    row_stride: integer,
    column_stride: integer,
    b: reals,
    b_stride: integer,
    c: reals,
    c_stride: integer,
    start: reals,
    start_stride: integer,
    keep: integer,
) -> cython.int:
    # c (m x n) = a (m x k, any strides) b (k x n), added to `start` if `keep`. n is a multiple of the vector; every
    # entry of c is one sum over k in order, whatever the tile's shape and the blocks
    i: integer
    j: integer
    depth: integer
    first: integer = 0
    lanes: integer = vector_lanes(a)
    rows: integer = tile_rows(a)
    whole: integer = m // rows * rows
    # what whole and half tiles take; other rows go one by one, four vectors at a time
    tiled: integer = m // (rows // 2) * (rows // 2)
    while first < k:
        depth = min(BLOCK_DEPTH, k - first) if m > rows else k
        j = 0
        while j + 2 * lanes <= n:
            i = 0
            while i < whole:
                tile_block(
                    depth,
                    at(a, i * row_stride),
                    row_stride,
                    column_stride,
                    at(b, j),
                    b_stride,
                    at(c, i * c_stride + j),
                    c_stride,
                    at(start, i * start_stride + j),
                    start_stride,
                    keep,
                )
                i += rows
            if i < tiled:
                tile_half(
                    depth,
                    at(a, i * row_stride),
                    row_stride,
                    column_stride,
                    at(b, j),
                    b_stride,
                    at(c, i * c_stride + j),
                    c_stride,
                    at(start, i * start_stride + j),
                    start_stride,
                    keep,
                )
            j += 2 * lanes
        if j < n:
            i = 0
            while i < whole:
                tile_column(
                    depth,
                    at(a, i * row_stride),
                    row_stride,
                    column_stride,
                    at(b, j),
                    b_stride,
                    at(c, i * c_stride + j),
                    c_stride,
                    at(start, i * start_stride + j),
                    start_stride,
                    keep,
                )
                i += rows
            if i < tiled:
                tile_half_column(
                    depth,
                    at(a, i * row_stride),
                    row_stride,
                    column_stride,
                    at(b, j),
                    b_stride,
                    at(c, i * c_stride + j),
                    c_stride,
                    at(start, i * start_stride + j),
                    start_stride,
                    keep,
                )
        for i in range(tiled, m):
            j = 0
            while j + 4 * lanes <= n:
                tile_line(
                    depth,
                    at(a, i * row_stride),
                    row_stride,
                    column_stride,
                    at(b, j),
                    b_stride,
                    at(c, i * c_stride + j),
                    c_stride,
                    at(start, i * start_stride + j),
                    start_stride,
                    keep,
                )
                j += 4 * lanes
            while j + 2 * lanes <= n:
                tile_row(
                    depth,
                    at(a, i * row_stride),
                    row_stride,
                    column_stride,
                    at(b, j),
                    b_stride,
                    at(c, i * c_stride + j),
                    c_stride,
                    at(start, i * start_stride + j),
                    start_stride,
                    keep,
                )
                j += 2 * lanes
            if j < n:
                tile_vector(
                    depth,
                    at(a, i * row_stride),
                    row_stride,
                    column_stride,
                    at(b, j),
                    b_stride,
                    at(c, i * c_stride + j),
                    c_stride,
                    at(start, i * start_stride + j),
                    start_stride,
                    keep,
                )
        a = at(a, depth * column_stride)
        b = at(b, depth * b_stride)
        start = c
        start_stride = c_stride
        keep = 1
        first += depth
    return 0
