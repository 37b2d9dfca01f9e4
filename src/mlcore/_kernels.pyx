# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels as a compiled extension: Cython's leaf functions, and the shared sources that Numba runs too."""
cimport cython
from cython cimport floating

# short names for the types of the shared sources
ctypedef Py_ssize_t integer
ctypedef Py_ssize_t* integers
ctypedef double* doubles
ctypedef floating* reals

# a register tile, called as a function: k, a, row, column, b, b_row, c, c_row, start, start_row, keep
ctypedef void (*float_tile)(
    integer, const float*, integer, integer, const float*, integer, float*, integer, const float*, integer, integer
) noexcept nogil
ctypedef void (*double_tile)(
    integer, const double*, integer, integer, const double*, integer, double*, integer, const double*, integer, integer
) noexcept nogil


cdef extern from "_leaves.h" nogil:
    enum: MLCORE_VECTOR_BYTES
    enum: MLCORE_TILE_ROWS
    enum: MLCORE_THREADS
    int cpu_level() noexcept
    void meet(Py_ssize_t* team, Py_ssize_t threads, int most_spins, Py_ssize_t abandoned) noexcept
    Py_ssize_t stream_key(double seed, double step, Py_ssize_t layer, Py_ssize_t row) noexcept
    double uniform_bits(Py_ssize_t key, Py_ssize_t unit) noexcept
    void prefetch_line(const void*) noexcept
    double product_error(double, double, double) noexcept
    void pair_block(
        integer, integer, const double*, const double*, const double*, const double*, double*, double*
    ) noexcept
    void pair_line(
        integer, integer, const double*, const double*, const double*, const double*, double*, double*
    ) noexcept
    float power_of_two_float(float) noexcept
    double power_of_two_double(double) noexcept
    float mantissa_float(float) noexcept
    double mantissa_double(double) noexcept
    float exponent_float(float) noexcept
    double exponent_double(double) noexcept
    float_tile tile_block_float, tile_column_float, tile_half_float, tile_half_column_float
    float_tile tile_line_float, tile_row_float, tile_vector_float
    double_tile tile_block_double, tile_column_double, tile_half_double, tile_half_column_double
    double_tile tile_line_double, tile_row_double, tile_vector_double

cdef extern from "<math.h>" nogil:
    float sqrtf(float) noexcept
    double sqrt(double) noexcept
    double pow(double, double) noexcept
    double cos(double) noexcept

ctypedef fused number:
    float
    double
    Py_ssize_t


cdef inline number* ptr(number[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] > 0 else NULL


cdef inline number* at(number* pointer, Py_ssize_t offset) noexcept nogil:
    return pointer + offset


cdef inline void prefetch(floating* pointer) noexcept nogil:
    prefetch_line(pointer)


cdef inline floating cast(floating like, double value) noexcept nogil:
    return <floating>value


cdef inline floating constant(floating* pointer, double value) noexcept nogil:
    return <floating>value


cdef inline bint wide(floating x) noexcept nogil:
    return sizeof(floating) == 8


cdef inline floating power_of_two(floating shifted) noexcept nogil:
    if floating is float:
        return power_of_two_float(shifted)
    else:
        return power_of_two_double(shifted)


cdef inline floating mantissa(floating x) noexcept nogil:
    if floating is float:
        return mantissa_float(x)
    else:
        return mantissa_double(x)


cdef inline floating exponent(floating x) noexcept nogil:
    if floating is float:
        return exponent_float(x)
    else:
        return exponent_double(x)


cdef inline floating square_root(floating x) noexcept nogil:
    if floating is float:
        return sqrtf(x)
    else:
        return sqrt(x)


cdef inline double power(double base, double exponent) noexcept nogil:
    return pow(base, exponent)


cdef inline double cosine(double x) noexcept nogil:
    return cos(x)


cdef inline floating uniform(floating like, Py_ssize_t key, Py_ssize_t unit) noexcept nogil:
    return <floating>uniform_bits(key, unit)


cdef inline Py_ssize_t whole(double x) noexcept nogil:
    return <Py_ssize_t>x


cdef inline Py_ssize_t vector_lanes(floating* pointer) noexcept nogil:
    return MLCORE_VECTOR_BYTES // sizeof(floating)


cdef inline Py_ssize_t tile_rows(floating* pointer) noexcept nogil:
    return MLCORE_TILE_ROWS


cdef inline void tile_block(
    integer k, reals a, integer row, integer column, reals b, integer b_row, reals c, integer c_row,
    reals start, integer start_row, integer keep
) noexcept nogil:
    if floating is float:
        tile_block_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_block_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_column(
    integer k, reals a, integer row, integer column, reals b, integer b_row, reals c, integer c_row,
    reals start, integer start_row, integer keep
) noexcept nogil:
    if floating is float:
        tile_column_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_column_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_half(
    integer k, reals a, integer row, integer column, reals b, integer b_row, reals c, integer c_row,
    reals start, integer start_row, integer keep
) noexcept nogil:
    if floating is float:
        tile_half_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_half_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_half_column(
    integer k, reals a, integer row, integer column, reals b, integer b_row, reals c, integer c_row,
    reals start, integer start_row, integer keep
) noexcept nogil:
    if floating is float:
        tile_half_column_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_half_column_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_line(
    integer k, reals a, integer row, integer column, reals b, integer b_row, reals c, integer c_row,
    reals start, integer start_row, integer keep
) noexcept nogil:
    if floating is float:
        tile_line_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_line_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_row(
    integer k, reals a, integer row, integer column, reals b, integer b_row, reals c, integer c_row,
    reals start, integer start_row, integer keep
) noexcept nogil:
    if floating is float:
        tile_row_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_row_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_vector(
    integer k, reals a, integer row, integer column, reals b, integer b_row, reals c, integer c_row,
    reals start, integer start_row, integer keep
) noexcept nogil:
    if floating is float:
        tile_vector_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_vector_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


# setup.py writes what is included here: the numbers of kernels/ids.py and kernels/thresholds.py as C constants ...
include "constants.pxi"


cdef inline void barrier(Py_ssize_t* team, Py_ssize_t threads) noexcept nogil:
    meet(team, threads, SPINS, ABANDONED)


cdef inline Py_ssize_t of_layer(Py_ssize_t* plan, Py_ssize_t layer, Py_ssize_t what) noexcept nogil:
    return plan[LAYERS + layer * RECORD + what]


VECTOR_BYTES = MLCORE_VECTOR_BYTES
THREADS = bool(MLCORE_THREADS)


def supported_level():
    """The newest x86-64 level (1, 3 or 4) that this machine runs; 0 elsewhere."""
    return cpu_level()


# ... the shared sources, and for each kernel NAME_kernel its entry NAME, which runs it without the GIL
include "sources.pxi"
