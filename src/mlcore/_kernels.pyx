# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The kernels as a compiled extension: Cython's leaf set, and the shared sources that Numba runs too."""
cimport cython
from cython cimport floating


cdef extern from "_leaves.h" nogil:
    enum: MLCORE_VECTOR_BYTES
    enum: MLCORE_TILE_ROWS
    enum: MLCORE_THREADS
    int cpu_level() noexcept
    void barrier(Py_ssize_t* team, Py_ssize_t threads) noexcept
    Py_ssize_t stream_key(double seed, double step, Py_ssize_t layer, Py_ssize_t row) noexcept
    double uniform_bits(Py_ssize_t key, Py_ssize_t unit) noexcept
    void prefetch_line(const void*) noexcept
    double product_error(double, double, double) noexcept
    float power_of_two_float(float) noexcept
    double power_of_two_double(double) noexcept
    float mantissa_float(float) noexcept
    double mantissa_double(double) noexcept
    float exponent_float(float) noexcept
    double exponent_double(double) noexcept
    void tile_block_float(Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_block_double(Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_column_float(Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_column_double(Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_half_float(Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_half_double(Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_half_column_float(Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_half_column_double(Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_line_float(Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_line_double(Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_row_float(Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_row_double(Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_vector_float(Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t) noexcept
    void tile_vector_double(Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t) noexcept

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


cdef inline void tile_block(Py_ssize_t k, floating* a, Py_ssize_t row, Py_ssize_t column, floating* b, Py_ssize_t b_row, floating* c, Py_ssize_t c_row, floating* start, Py_ssize_t start_row, Py_ssize_t keep) noexcept nogil:
    if floating is float:
        tile_block_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_block_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_column(Py_ssize_t k, floating* a, Py_ssize_t row, Py_ssize_t column, floating* b, Py_ssize_t b_row, floating* c, Py_ssize_t c_row, floating* start, Py_ssize_t start_row, Py_ssize_t keep) noexcept nogil:
    if floating is float:
        tile_column_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_column_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_half(Py_ssize_t k, floating* a, Py_ssize_t row, Py_ssize_t column, floating* b, Py_ssize_t b_row, floating* c, Py_ssize_t c_row, floating* start, Py_ssize_t start_row, Py_ssize_t keep) noexcept nogil:
    if floating is float:
        tile_half_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_half_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_half_column(Py_ssize_t k, floating* a, Py_ssize_t row, Py_ssize_t column, floating* b, Py_ssize_t b_row, floating* c, Py_ssize_t c_row, floating* start, Py_ssize_t start_row, Py_ssize_t keep) noexcept nogil:
    if floating is float:
        tile_half_column_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_half_column_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_line(Py_ssize_t k, floating* a, Py_ssize_t row, Py_ssize_t column, floating* b, Py_ssize_t b_row, floating* c, Py_ssize_t c_row, floating* start, Py_ssize_t start_row, Py_ssize_t keep) noexcept nogil:
    if floating is float:
        tile_line_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_line_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_row(Py_ssize_t k, floating* a, Py_ssize_t row, Py_ssize_t column, floating* b, Py_ssize_t b_row, floating* c, Py_ssize_t c_row, floating* start, Py_ssize_t start_row, Py_ssize_t keep) noexcept nogil:
    if floating is float:
        tile_row_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_row_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


cdef inline void tile_vector(Py_ssize_t k, floating* a, Py_ssize_t row, Py_ssize_t column, floating* b, Py_ssize_t b_row, floating* c, Py_ssize_t c_row, floating* start, Py_ssize_t start_row, Py_ssize_t keep) noexcept nogil:
    if floating is float:
        tile_vector_float(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)
    else:
        tile_vector_double(k, a, row, column, b, b_row, c, c_row, start, start_row, keep)


# kernels/layout.py, as setup.py writes it
include "layout.pxi"


cdef inline Py_ssize_t of_layer(Py_ssize_t* plan, Py_ssize_t layer, Py_ssize_t what) noexcept nogil:
    return plan[LAYERS + layer * RECORD + what]


include "kernels/mathematics.py"
include "kernels/activations.py"
include "kernels/losses.py"
include "kernels/yolo.py"
include "kernels/optimizers.py"
include "kernels/orders.py"
include "kernels/products.py"
include "kernels/network.py"
include "kernels/weights.py"
include "kernels/training.py"
include "kernels/differences.py"
include "kernels/stepwise.py"
include "kernels/moments.py"
include "kernels/factor.py"
include "kernels/least_squares.py"
include "kernels/logistic.py"
include "kernels/newton.py"


VECTOR_BYTES = MLCORE_VECTOR_BYTES
THREADS = bool(MLCORE_THREADS)


def supported_level():
    """The newest x86-64 level (1, 3 or 4) that this machine runs; 0 elsewhere."""
    return cpu_level()


# the entries, without the GIL


def forward(Py_ssize_t[::1] plan, floating[::1] x, floating[::1] parameters, floating[::1] work, floating[::1] output):
    with nogil:
        forward_kernel(plan, x, parameters, work, output)


def gradient(Py_ssize_t[::1] plan, double[::1] settings, double[::1] progress, double[::1] sums, floating[::1] x, floating[::1] targets, floating[::1] row_weights, floating[::1] parameters, floating[::1] gradient, floating[::1] work):
    cdef double value
    with nogil:
        value = gradient_kernel(plan, settings, progress, sums, x, targets, row_weights, parameters, gradient, work)
    return value


def difference(Py_ssize_t[::1] plan, double[::1] settings, double[::1] progress, double[::1] sums, floating[::1] x, floating[::1] targets, floating[::1] row_weights, floating[::1] parameters, floating[::1] gradient, floating[::1] work):
    cdef double value
    with nogil:
        value = difference_kernel(plan, settings, progress, sums, x, targets, row_weights, parameters, gradient, work)
    return value


def backward(Py_ssize_t[::1] plan, double[::1] settings, double[::1] progress, double[::1] sums, floating[::1] x, floating[::1] output_gradient, floating[::1] parameters, floating[::1] gradient, floating[::1] input_gradient, floating[::1] work):
    with nogil:
        backward_kernel(plan, settings, progress, sums, x, output_gradient, parameters, gradient, input_gradient, work)


def train(Py_ssize_t[::1] plan, double[::1] settings, double[::1] progress, double[::1] sums, floating[::1] x, floating[::1] targets, floating[::1] row_weights, Py_ssize_t[::1] rows, floating[::1] parameters, floating[::1] kept, floating[::1] gradient, floating[::1] moments, floating[::1] work, double[::1] history, Py_ssize_t[::1] generator, Py_ssize_t[::1] team, Py_ssize_t thread):
    with nogil:
        train_kernel(plan, settings, progress, sums, x, targets, row_weights, rows, parameters, kept, gradient, moments, work, history, generator, team, thread)


def train_stepwise(Py_ssize_t[::1] plan, double[::1] settings, double[::1] progress, double[::1] sums, floating[::1] x, floating[::1] targets, floating[::1] row_weights, Py_ssize_t[::1] rows, floating[::1] parameters, floating[::1] kept, floating[::1] gradient, floating[::1] moments, floating[::1] work, double[::1] history, Py_ssize_t[::1] generator, Py_ssize_t[::1] team, Py_ssize_t thread):
    with nogil:
        train_stepwise_kernel(plan, settings, progress, sums, x, targets, row_weights, rows, parameters, kept, gradient, moments, work, history, generator, team, thread)


def update(Py_ssize_t kind, double[::1] settings, double[::1] progress, floating[::1] parameters, floating[::1] gradient, floating[::1] moments):
    with nogil:
        update_kernel(kind, settings, progress, parameters, gradient, moments)


def loss(Py_ssize_t kind, Py_ssize_t mean, Py_ssize_t weighted, Py_ssize_t width, double[::1] settings, floating[::1] y_true, floating[::1] y_pred, floating[::1] row_weights, floating[::1] gradient, floating[::1] work):
    cdef double value
    with nogil:
        value = loss_kernel(kind, mean, weighted, width, settings, y_true, y_pred, row_weights, gradient, work)
    return value


def yolo(Py_ssize_t n_images, Py_ssize_t grid_size, Py_ssize_t boxes, Py_ssize_t classes, Py_ssize_t target_is_iou, double lambda_coord, double lambda_noobj, floating[::1] y_true, floating[::1] y_pred, floating[::1] gradient):
    cdef double value
    with nogil:
        value = yolo_kernel(n_images, grid_size, boxes, classes, target_is_iou, lambda_coord, lambda_noobj, y_true, y_pred, gradient)
    return value


def moments(Py_ssize_t[::1] plan, floating[::1] x, double[::1] y, double[::1] row_weights, double[::1] shift, double[::1] scale, double[::1] high, double[::1] low, double[::1] work):
    with nogil:
        moments_kernel(plan, x, y, row_weights, shift, scale, high, low, work)


def sum_pairs(Py_ssize_t count, Py_ssize_t n, double[::1] sums):
    with nogil:
        sum_pairs_kernel(count, n, sums)


def factor(Py_ssize_t order, Py_ssize_t total, Py_ssize_t width, double[::1] tolerance, double[::1] high, double[::1] low):
    cdef Py_ssize_t rank
    with nogil:
        rank = factor_kernel(order, total, width, tolerance, high, low)
    return rank


def back_substitute(Py_ssize_t order, Py_ssize_t width, double[::1] high, double[::1] low, double[::1] shift, Py_ssize_t columns, double[::1] right, double[::1] right_low):
    with nogil:
        back_substitute_kernel(order, width, high, low, shift, columns, right, right_low)


def least_squares(Py_ssize_t p, Py_ssize_t q, Py_ssize_t width, Py_ssize_t n_rows, double eps, Py_ssize_t intercept, double alpha, double[::1] shift, double[::1] scale, double[::1] high, double[::1] low, Py_ssize_t[::1] places, double[::1] found, double[::1] work):
    cdef Py_ssize_t rank
    with nogil:
        rank = least_squares_kernel(p, q, width, n_rows, eps, intercept, alpha, shift, scale, high, low, places, found, work)
    return rank


def logistic_pass(Py_ssize_t[::1] plan, floating[::1] x, Py_ssize_t[::1] labels, double[::1] row_weights, double[::1] shift, double[::1] scale, double[::1] parameters, double[::1] sums, double[::1] reach, double[::1] gradient, double[::1] products, double[::1] work):
    with nogil:
        logistic_pass_kernel(plan, x, labels, row_weights, shift, scale, parameters, sums, reach, gradient, products, work)


def newton(Py_ssize_t[::1] plan, floating[::1] x, Py_ssize_t[::1] labels, double[::1] row_weights, double[::1] shift, double[::1] scale, double[::1] l2, double flat, double negligible, double highest, Py_ssize_t most, double[::1] here, double[::1] there, double[::1] sums, double[::1] reach, double[::1] gradient, double[::1] products, double[::1] system, double[::1] work):
    cdef Py_ssize_t status
    with nogil:
        status = newton_kernel(plan, x, labels, row_weights, shift, scale, l2, flat, negligible, highest, most, here, there, sums, reach, gradient, products, system, work)
    return status


def coordinate_descent(Py_ssize_t order, double[::1] hessian, double[::1] gradient, double[::1] penalty, double[::1] parameters, double[::1] moved, double tolerance, Py_ssize_t sweeps):
    cdef Py_ssize_t swept
    with nogil:
        swept = coordinate_descent_kernel(order, hessian, gradient, penalty, parameters, moved, tolerance, sweeps)
    return swept
