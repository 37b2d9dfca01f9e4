"""The map of the vectors that Python hands to the kernels (docs/layout.md draws it).

Shared source: Cython includes this file, Numba and plain Python run it under a shim.
"""

# activations
IDENTITY = cython.declare(cython.int, 0)
RELU = cython.declare(cython.int, 1)
LEAKY_RELU = cython.declare(cython.int, 2)
ELU = cython.declare(cython.int, 3)
GELU = cython.declare(cython.int, 4)
SILU = cython.declare(cython.int, 5)
TANH = cython.declare(cython.int, 6)
SIGMOID = cython.declare(cython.int, 7)
SOFTPLUS = cython.declare(cython.int, 8)
EXPONENTIAL = cython.declare(cython.int, 9)
SOFTMAX = cython.declare(cython.int, 10)

# losses; those FROM_RAW read the last layer's pre-activation, where the logarithm is exact
MEAN_SQUARED_ERROR = cython.declare(cython.int, 0)
MEAN_ABSOLUTE_ERROR = cython.declare(cython.int, 1)
ROOT_MEAN_SQUARED_ERROR = cython.declare(cython.int, 2)
HUBER = cython.declare(cython.int, 3)
POISSON = cython.declare(cython.int, 4)
BINARY_CROSS_ENTROPY = cython.declare(cython.int, 5)
CATEGORICAL_CROSS_ENTROPY = cython.declare(cython.int, 6)
FROM_RAW = cython.declare(cython.int, 7)
POISSON_FROM_RAW = cython.declare(cython.int, 7)
BINARY_FROM_RAW = cython.declare(cython.int, 8)
CATEGORICAL_FROM_RAW = cython.declare(cython.int, 9)

# optimizers
GRADIENT_ONLY = cython.declare(cython.int, -1)
SGD = cython.declare(cython.int, 0)
MOMENTUM = cython.declare(cython.int, 1)
NESTEROV = cython.declare(cython.int, 2)
ADAM = cython.declare(cython.int, 3)
ADAMW = cython.declare(cython.int, 4)

# learning-rate schedules
CONSTANT = cython.declare(cython.int, 0)
INVERSE_SCALING = cython.declare(cython.int, 1)
ADAPTIVE = cython.declare(cython.int, 2)

# plan, int: first the numbers of the whole network ...
N_LAYERS = cython.declare(cython.int, 0)
LOSS = cython.declare(cython.int, 1)
OPTIMIZER = cython.declare(cython.int, 2)
SCHEDULE = cython.declare(cython.int, 3)
BATCH_SIZE = cython.declare(cython.int, 4)
N_ROWS = cython.declare(cython.int, 5)
N_EPOCHS = cython.declare(cython.int, 6)
ORDER_STRIDE = cython.declare(cython.int, 7)
WEIGHTED = cython.declare(cython.int, 8)
MEAN = cython.declare(cython.int, 9)
NUMERICAL = cython.declare(cython.int, 10)
SEQUENTIAL = cython.declare(cython.int, 11)
N_PARAMETERS = cython.declare(cython.int, 12)
STRIP = cython.declare(cython.int, 13)
TARGETS = cython.declare(cython.int, 14)
ROW_WEIGHTS = cython.declare(cython.int, 15)
FIXED_BIAS = cython.declare(cython.int, 16)
# ... then one record a layer, the inputs being layer 0
LAYERS = cython.declare(cython.int, 24)
RECORD = cython.declare(cython.int, 8)
SIZE = cython.declare(cython.int, 0)
PADDED = cython.declare(cython.int, 1)
ACTIVATION = cython.declare(cython.int, 2)
WEIGHTS = cython.declare(cython.int, 3)
RAW = cython.declare(cython.int, 4)
ACTIVATED = cython.declare(cython.int, 5)
DELTA = cython.declare(cython.int, 6)
TRANSPOSED = cython.declare(cython.int, 7)

# settings, float64
LEARNING_RATE = cython.declare(cython.int, 0)
ALPHA = cython.declare(cython.int, 1)
BETA_1 = cython.declare(cython.int, 2)
BETA_2 = cython.declare(cython.int, 3)
EPSILON = cython.declare(cython.int, 4)
WEIGHT_DECAY = cython.declare(cython.int, 5)
LOSS_EPSILON = cython.declare(cython.int, 6)
THRESHOLD = cython.declare(cython.int, 7)
VALUE_FACTOR = cython.declare(cython.int, 8)
GRADIENT_FACTOR = cython.declare(cython.int, 9)
DIFFERENCE_STEP = cython.declare(cython.int, 10)
TOLERANCE = cython.declare(cython.int, 11)
N_ITER_NO_CHANGE = cython.declare(cython.int, 12)
POWER_T = cython.declare(cython.int, 13)
N_SETTINGS = cython.declare(cython.int, 14)

# progress, float64: what a fit carries from one call to the next
RATE = cython.declare(cython.int, 0)
STEPS = cython.declare(cython.int, 1)
ROWS_SEEN = cython.declare(cython.int, 2)
BEST_LOSS = cython.declare(cython.int, 3)
NO_IMPROVEMENT = cython.declare(cython.int, 4)
EPOCHS = cython.declare(cython.int, 5)
STOPPED = cython.declare(cython.int, 6)
BAD_STEP = cython.declare(cython.int, 7)
DECAYED_1 = cython.declare(cython.int, 8)
DECAYED_2 = cython.declare(cython.int, 9)
STEP_SIZE = cython.declare(cython.int, 10)
N_PROGRESS = cython.declare(cython.int, 11)

# why a fit stopped
RUNNING = cython.declare(cython.int, 0)
CONVERGED = cython.declare(cython.int, 1)
DIVERGED = cython.declare(cython.int, 2)
