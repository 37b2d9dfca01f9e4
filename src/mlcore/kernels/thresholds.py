"""The thresholds by which Newton's method steps and stops, in Python (linear_model/_newton.py) and in its kernel.

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
