"""The order of an epoch's rows: NumPy's `RandomState.shuffle`, to the draw. Shared source.

A generator is the words of the Mersenne Twister (Matsumoto and Nishimura, 1998), and the place of the next one.
"""

# These are the published parameters of MT19937.
N_WORDS = cython.declare(cython.int, 624)
OFFSET = cython.declare(cython.int, 397)
UPPER = cython.declare(cython.Py_ssize_t, 0x80000000)
LOWER = cython.declare(cython.Py_ssize_t, 0x7FFFFFFF)
TWIST = cython.declare(cython.Py_ssize_t, 0x9908B0DF)
TEMPER_7 = cython.declare(cython.Py_ssize_t, 0x9D2C5680)
TEMPER_15 = cython.declare(cython.Py_ssize_t, 0xEFC60000)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def next_word(word: integer, following: integer, far: integer) -> integer:
    return far ^ (((word & UPPER) | (following & LOWER)) >> 1) ^ (-(following & 1) & TWIST)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def next_words(words: integers) -> cython.int:
    i: integer
    for i in range(N_WORDS - OFFSET):
        words[i] = next_word(words[i], words[i + 1], words[i + OFFSET])
    for i in range(N_WORDS - OFFSET, N_WORDS - 1):
        words[i] = next_word(words[i], words[i + 1], words[i + OFFSET - N_WORDS])
    words[N_WORDS - 1] = next_word(words[N_WORDS - 1], words[0], words[OFFSET - 1])
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def shuffle(order: integers, words: integers, n: integer) -> cython.int:
    # From the last place down, each entry changes with one at or below it. A draw that lies above is rejected: then the
    # entry changes with itself, since to guess which draws are takes a processor longer than to do that.
    place: integer = words[N_WORDS]
    i: integer = n - 1
    j: integer
    bits: integer
    entry: integer
    mask: integer = 1
    while mask < i:
        mask = 2 * mask + 1
    while i > 0:
        if place == N_WORDS:
            next_words(words)
            place = 0
        # this mask is the smallest while i is above the next one
        while i > mask >> 1 and place < N_WORDS:
            bits = words[place]
            place += 1
            bits = bits ^ (bits >> 11)
            bits = bits ^ ((bits << 7) & TEMPER_7)
            bits = bits ^ ((bits << 15) & TEMPER_15)
            bits = (bits ^ (bits >> 18)) & mask
            j = bits if bits <= i else i
            entry = order[i]
            order[i] = order[j]
            order[j] = entry
            i -= 1 if bits <= i else 0
        if i <= mask >> 1:
            mask = mask >> 1
    words[N_WORDS] = place
    return 0
