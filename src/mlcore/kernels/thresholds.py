"""Thresholds by which Newton's method steps and stops, and sums of products are judged, in Python and in kernels.

The extension has them as C constants, which setup.py writes from this file; for Numba and plain Python they stand in
the namespace of the shared sources. So this file holds lines of NAME = NUMBER, nothing else.
"""

# A step must gain this part of what its slope promises (Nocedal and Wright, Numerical Optimization, 2nd ed., section
# 3.1).
ARMIJO = 1e-4
# A last step promises less than this much, however small a part of the objective that is.
ABSOLUTE = 1e-2
# A step that is not taken, for want of iterations, may promise this part of the objective, and none sees it missing.
SEEN = 1e-11
# The last step, however small what it promises, may leave this part of the objective.
LEFT = 5e-11
# What a step promises may be as small a part of what is left as one by the square of this, where scores change by much.
MOST_LEFT = 5.0
# Rounding hides this part of the objective.
ROUNDING = 2e-15
# At a minimum the last step is tiny; one longer than this that gains nothing goes on for ever.
DRIFT = 1e-3
# Squares below this may be rounded as denormals are; above its inverse they are near infinity.
SMALLEST_SQUARE = 1e-270
# Of a square, what a penalty must be at least to make Cholesky's factor in pairs as exact as doubles are.
LEAST_PENALTY = 1e-15
# Rounding of pairs of doubles, once they have been factored: 2^-100.
ROUNDING_OF_PAIRS = 7.888609052210118e-31
# Rounding of plain sums: 128 products are added in doubles, 32 eps.
ROUNDING_OF_PLAIN = 7.105427357601002e-15
# What residuals must be of y at least, both squared, for standard errors of six digits from plain sums.
LEAST_RESIDUAL = 7.105427357601002e-9
# The estimated error of coefficients that is still good enough for nine digits: it is 7 to 1,000 times the true one.
GOOD_ENOUGH = 5e-9
# A coefficient counts for at least this part of the largest.
OF_LARGEST = 1e-7
