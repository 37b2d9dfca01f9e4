/* Cython's leaf functions: the bits of a float, and the register tile in C vectors.
   The shape follows the register file of the instruction set this file is compiled for. Multiply and add are fused only
   here, and only where one instruction does it; compile with -ffp-contract=off so that nothing else is. */
#ifndef MLCORE_LEAVES_H
#define MLCORE_LEAVES_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define MLCORE_VECTOR_BYTES 64
#define MLCORE_TILE_ROWS 8
#elif defined(__AVX__)
#define MLCORE_VECTOR_BYTES 32
#define MLCORE_TILE_ROWS 4
#elif defined(__aarch64__)
#define MLCORE_VECTOR_BYTES 16
#define MLCORE_TILE_ROWS 8
#else
#define MLCORE_VECTOR_BYTES 16
#define MLCORE_TILE_ROWS 4
#endif

#if defined(__GNUC__)
#define MLCORE_VECTOR_TYPE(T) __attribute__((vector_size(MLCORE_VECTOR_BYTES), aligned(sizeof(T)), may_alias))
typedef float vector_float MLCORE_VECTOR_TYPE(float);
typedef double vector_double MLCORE_VECTOR_TYPE(double);
#if defined(__AVX512F__)
#include <immintrin.h>
#define FUSED_float(x, y, c) ((vector_float)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(c)))
#define FUSED_double(x, y, c) ((vector_double)_mm512_fmadd_pd((__m512d)(x), (__m512d)(y), (__m512d)(c)))
#elif defined(__AVX__) && defined(__FMA__)
#include <immintrin.h>
#define FUSED_float(x, y, c) ((vector_float)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(c)))
#define FUSED_double(x, y, c) ((vector_double)_mm256_fmadd_pd((__m256d)(x), (__m256d)(y), (__m256d)(c)))
#elif defined(__aarch64__)
#include <arm_neon.h>
#define FUSED_float(x, y, c) ((vector_float)vfmaq_f32((float32x4_t)(c), (float32x4_t)(x), (float32x4_t)(y)))
#define FUSED_double(x, y, c) ((vector_double)vfmaq_f64((float64x2_t)(c), (float64x2_t)(x), (float64x2_t)(y)))
#else
#define FUSED_float(x, y, c) ((x) * (y) + (c))
#define FUSED_double(x, y, c) ((x) * (y) + (c))
#endif

/* GCC unrolls these loops by itself, but too late to see that all totals fit in registers */
#define MLCORE_UNROLLED _Pragma("GCC unroll 8")

/* c (ROWS x VECTORS vectors) = a b, added to `start` if keep: every sum in order, in registers throughout */
#define MLCORE_TILE(name, T, ROWS, VECTORS)                                                                            \
    static void name(Py_ssize_t k, const T *a, Py_ssize_t row, Py_ssize_t column, const T *b, Py_ssize_t b_row, T *c,  \
                     Py_ssize_t c_row, const T *start, Py_ssize_t start_row, Py_ssize_t keep) {                        \
        enum { LANES = MLCORE_VECTOR_BYTES / sizeof(T) };                                                              \
        vector_##T total[ROWS][VECTORS];                                                                               \
        MLCORE_UNROLLED for (int i = 0; i < ROWS; i++)                                                                                 \
            MLCORE_UNROLLED for (int v = 0; v < VECTORS; v++)                                                                          \
                total[i][v] = keep ? *(const vector_##T *)(start + i * start_row + v * LANES) : (vector_##T){0};       \
        for (Py_ssize_t s = 0; s < k; s++) {                                                                           \
            vector_##T line[VECTORS];                                                                                  \
            MLCORE_UNROLLED for (int v = 0; v < VECTORS; v++)                                                                          \
                line[v] = *(const vector_##T *)(b + s * b_row + v * LANES);                                            \
            MLCORE_UNROLLED for (int i = 0; i < ROWS; i++) {                                                                           \
                vector_##T factor = a[i * row + s * column] - (vector_##T){0};                                         \
                MLCORE_UNROLLED for (int v = 0; v < VECTORS; v++)                                                                      \
                    total[i][v] = FUSED_##T(factor, line[v], total[i][v]);                                             \
            }                                                                                                          \
        }                                                                                                              \
        MLCORE_UNROLLED for (int i = 0; i < ROWS; i++)                                                                                 \
            MLCORE_UNROLLED for (int v = 0; v < VECTORS; v++)                                                                          \
                *(vector_##T *)(c + i * c_row + v * LANES) = total[i][v];                                              \
    }
#else /* a compiler without vector types: plain loops, the same sums */
#define MLCORE_TILE(name, T, ROWS, VECTORS)                                                                            \
    static void name(Py_ssize_t k, const T *a, Py_ssize_t row, Py_ssize_t column, const T *b, Py_ssize_t b_row, T *c,  \
                     Py_ssize_t c_row, const T *start, Py_ssize_t start_row, Py_ssize_t keep) {                        \
        enum { WIDTH = VECTORS * MLCORE_VECTOR_BYTES / sizeof(T) };                                                    \
        for (int i = 0; i < ROWS; i++) {                                                                               \
            T *line = c + i * c_row;                                                                                   \
            for (int j = 0; j < WIDTH; j++)                                                                            \
                line[j] = keep ? start[i * start_row + j] : 0;                                                         \
            for (Py_ssize_t s = 0; s < k; s++) {                                                                       \
                T factor = a[i * row + s * column];                                                                    \
                for (int j = 0; j < WIDTH; j++)                                                                        \
                    line[j] = factor * b[s * b_row + j] + line[j];                                                     \
            }                                                                                                          \
        }                                                                                                              \
    }
#endif

#if defined(__GNUC__)
#define prefetch_line(pointer) __builtin_prefetch(pointer, 0, 2)
#else
#define prefetch_line(pointer) ((void)0)
#endif

/* a b - product without rounding, where product is a b rounded: by one fused instruction, or by Veltkamp's halves
   (Dekker 1971), which are exact too */
static inline double product_error(double a, double b, double product) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fma(a, b, -product);
#else
    double a1 = a * 134217729.0, b1 = b * 134217729.0, a2, b2;
    a1 -= a1 - a;
    b1 -= b1 - b;
    a2 = a - a1;
    b2 = b - b1;
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
#endif
}

#if defined(__GNUC__)
#define MLCORE_PAIR_TYPE vector_double
#if defined(__FMA__) || defined(__aarch64__)
#define MLCORE_ERROR(x, y, product) FUSED_double(x, y, -(product))
#else
static inline vector_double vector_error(vector_double a, vector_double b, vector_double product) {
    vector_double a1 = a * 134217729.0, b1 = b * 134217729.0, a2, b2;
    a1 -= a1 - a;
    b1 -= b1 - b;
    a2 = a - a1;
    b2 = b - b1;
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2;
}
#define MLCORE_ERROR(x, y, product) vector_error(x, y, product)
#endif
#define MLCORE_LOAD(pointer) (*(const vector_double *)(pointer))
#define MLCORE_STORE(pointer, value) (*(vector_double *)(pointer) = (value))
#define MLCORE_SPREAD(x) ((x) - (vector_double){0})
#define MLCORE_PAIR_LANES(v) for (int v = 0; v < 1; v++)
#else /* lane by lane */
#define MLCORE_UNROLLED
#define MLCORE_PAIR_TYPE double
#define MLCORE_ERROR(x, y, product) product_error(x, y, product)
#define MLCORE_LOAD(pointer) ((pointer)[v])
#define MLCORE_STORE(pointer, value) ((pointer)[v] = (value))
#define MLCORE_SPREAD(x) (x)
#define MLCORE_PAIR_LANES(v) for (int v = 0; v < (int)(MLCORE_VECTOR_BYTES / sizeof(double)); v++)
#endif

/* high + low (ROWS x one vector) += (a + a_low)' (b + b_low) over k rows, `stride` numbers apart: `add_multiple` of
   cross_products.py for each, the totals in registers throughout, then `normalise` */
#define MLCORE_PAIRS(name, ROWS)                                                                                       \
    static void name(Py_ssize_t k, Py_ssize_t stride, const double *a, const double *a_low, const double *b,           \
                     const double *b_low, double *high, double *low) {                                                 \
        MLCORE_PAIR_LANES(v) {                                                                                         \
            MLCORE_PAIR_TYPE total[ROWS], rest[ROWS];                                                                  \
            MLCORE_UNROLLED for (int i = 0; i < ROWS; i++) {                                                           \
                total[i] = MLCORE_LOAD(high + i * stride);                                                             \
                rest[i] = MLCORE_LOAD(low + i * stride);                                                               \
            }                                                                                                          \
            for (Py_ssize_t s = 0; s < k; s++) {                                                                       \
                MLCORE_PAIR_TYPE x = MLCORE_LOAD(b + s * stride), x_low = MLCORE_LOAD(b_low + s * stride);             \
                MLCORE_UNROLLED for (int i = 0; i < ROWS; i++) {                                                       \
                    MLCORE_PAIR_TYPE factor = MLCORE_SPREAD(a[s * stride + i]);                                        \
                    MLCORE_PAIR_TYPE factor_low = MLCORE_SPREAD(a_low[s * stride + i]);                                \
                    MLCORE_PAIR_TYPE p = factor * x, before = total[i], after = before + p, back = after - before;     \
                    rest[i] = rest[i] + (((before - (after - back)) + (p - back)) +                                    \
                                         (MLCORE_ERROR(factor, x, p) + (factor * x_low + factor_low * x)));            \
                    total[i] = after;                                                                                  \
                }                                                                                                      \
            }                                                                                                          \
            MLCORE_UNROLLED for (int i = 0; i < ROWS; i++) {                                                           \
                MLCORE_PAIR_TYPE sum = total[i] + rest[i], back = sum - total[i];                                      \
                MLCORE_STORE(low + i * stride, (total[i] - (sum - back)) + (rest[i] - back));                          \
                MLCORE_STORE(high + i * stride, sum);                                                                  \
            }                                                                                                          \
        }                                                                                                              \
    }
MLCORE_PAIRS(pair_block, 4)
MLCORE_PAIRS(pair_line, 1)

/* the newest x86-64 level that this CPU and its operating system run: 1, 3 or 4 (0: not x86-64, or not known) */
static int cpu_level(void) {
#if defined(__GNUC__) && defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
          __builtin_cpu_supports("bmi2")))
        return 1;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 4;
    return 3;
#else
    return 0;
#endif
}

MLCORE_TILE(tile_block_float, float, MLCORE_TILE_ROWS, 2)
MLCORE_TILE(tile_block_double, double, MLCORE_TILE_ROWS, 2)
MLCORE_TILE(tile_column_float, float, MLCORE_TILE_ROWS, 1)
MLCORE_TILE(tile_column_double, double, MLCORE_TILE_ROWS, 1)
MLCORE_TILE(tile_half_float, float, MLCORE_TILE_ROWS / 2, 2)
MLCORE_TILE(tile_half_double, double, MLCORE_TILE_ROWS / 2, 2)
MLCORE_TILE(tile_half_column_float, float, MLCORE_TILE_ROWS / 2, 1)
MLCORE_TILE(tile_half_column_double, double, MLCORE_TILE_ROWS / 2, 1)
MLCORE_TILE(tile_line_float, float, 1, 4)
MLCORE_TILE(tile_line_double, double, 1, 4)
MLCORE_TILE(tile_row_float, float, 1, 2)
MLCORE_TILE(tile_row_double, double, 1, 2)
MLCORE_TILE(tile_vector_float, float, 1, 1)
MLCORE_TILE(tile_vector_double, double, 1, 1)

/* 2**k from k + 1.5 * 2**(mantissa bits), whose last bits are k */
static inline float power_of_two_float(float shifted) {
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    bits = (bits + 127u) << 23;
    memcpy(&shifted, &bits, 4);
    return shifted;
}
static inline double power_of_two_double(double shifted) {
    uint64_t bits;
    memcpy(&bits, &shifted, 8);
    bits = (bits + 1023u) << 52;
    memcpy(&shifted, &bits, 8);
    return shifted;
}

/* x = mantissa 2**exponent, mantissa in [1, 2) */
static inline float mantissa_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bits = (bits & 0x7FFFFFu) | (127u << 23);
    memcpy(&x, &bits, 4);
    return x;
}
static inline double mantissa_double(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    bits = (bits & 0xFFFFFFFFFFFFFull) | (1023ull << 52);
    memcpy(&x, &bits, 8);
    return x;
}
/* the exponent field becomes the last bits of 2**(mantissa bits), a float from which that power is taken away */
static inline float exponent_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bits = (bits >> 23) | (150u << 23);
    memcpy(&x, &bits, 4);
    return x - 8388735.0f;
}
static inline double exponent_double(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    bits = (bits >> 52) | (1075ull << 52);
    memcpy(&x, &bits, 8);
    return x - 4503599627371519.0;
}

/* the counter-based stream of dropout: SplitMix64 makes a key of (seed, step, layer, row), a 32-bit mixing function a
   number of (key, unit) */
static inline uint64_t mix64(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}
static inline Py_ssize_t stream_key(double seed, double step, Py_ssize_t layer, Py_ssize_t row) {
    uint64_t key = mix64((uint64_t)seed + 0x9E3779B97F4A7C15ull);
    key = mix64(key + (uint64_t)step);
    key = mix64(key + ((uint64_t)layer << 40) + (uint64_t)row);
    return (Py_ssize_t)(key >> 32);
}
/* one of 2**24 numbers in [0, 1) */
static inline double uniform_bits(Py_ssize_t key, Py_ssize_t unit) {
    uint32_t x = (uint32_t)key + (uint32_t)unit * 0x9E3779B9u;
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return (int32_t)((x ^ (x >> 16)) >> 8) * (1.0 / 16777216.0);
}

/* threads meet here: each adds one to the count, and waits until the round is full. Spinning is bounded, then the
   processor is offered to others. Without atomics there is one thread only */
#if defined(__GNUC__) && !defined(_WIN32)
#include <sched.h>
#define MLCORE_THREADS 1
static inline void meet(Py_ssize_t *team, Py_ssize_t threads, int most_spins, Py_ssize_t abandoned) {
    if (threads < 2)
        return;
    Py_ssize_t goal = (__atomic_fetch_add(team, 1, __ATOMIC_ACQ_REL) / threads + 1) * threads;
    for (int spins = 0; goal < abandoned && __atomic_load_n(team, __ATOMIC_ACQUIRE) < goal; spins++) {
        if (spins >= most_spins) {
            sched_yield();
            continue;
        }
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    }
}
#else
#define MLCORE_THREADS 0
static inline void meet(Py_ssize_t *team, Py_ssize_t threads, int most_spins, Py_ssize_t abandoned) {
    (void)team; (void)threads; (void)most_spins; (void)abandoned;
}
#endif
#endif
