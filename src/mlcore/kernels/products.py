"""C = A B by register tiles: blocking and tails around the one routine each compiler writes for itself. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def product(m: cython.Py_ssize_t, n: cython.Py_ssize_t, k: cython.Py_ssize_t, a: cython.pointer[floating], row_stride: cython.Py_ssize_t, column_stride: cython.Py_ssize_t, b: cython.pointer[floating], b_stride: cython.Py_ssize_t, c: cython.pointer[floating], c_stride: cython.Py_ssize_t, keep: cython.Py_ssize_t) -> cython.int:
    # c (m x n) = a (m x k, any strides) b (k x n), added to what c holds if `keep`. n is a multiple of the padding;
    # every entry of c is one sum over k in order, whatever the tile's shape
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t = 0
    lanes: cython.Py_ssize_t = vector_lanes(a)
    rows: cython.Py_ssize_t = tile_rows(a)
    while j + 2 * lanes <= n:
        i = 0
        while i + rows <= m:
            tile_block(k, at(a, i * row_stride), row_stride, column_stride, at(b, j), b_stride, at(c, i * c_stride + j), c_stride, keep)
            i += rows
        while i < m:
            tile_row(k, at(a, i * row_stride), row_stride, column_stride, at(b, j), b_stride, at(c, i * c_stride + j), c_stride, keep)
            i += 1
        j += 2 * lanes
    while j < n:
        i = 0
        while i + rows <= m:
            tile_column(k, at(a, i * row_stride), row_stride, column_stride, at(b, j), b_stride, at(c, i * c_stride + j), c_stride, keep)
            i += rows
        while i < m:
            tile_vector(k, at(a, i * row_stride), row_stride, column_stride, at(b, j), b_stride, at(c, i * c_stride + j), c_stride, keep)
            i += 1
        j += lanes
    return 0
