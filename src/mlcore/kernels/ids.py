"""The integers that the kernels and their callers share: ids, and places in the vectors that are handed over.

docs/layout.md draws the map. The extension has them as C constants, which setup.py writes from this file; for Numba and
plain Python they stand in the namespace of the shared sources. So this file holds lines of NAME = NUMBER, nothing else.
"""

# activations
IDENTITY = 0
RELU = 1
LEAKY_RELU = 2
ELU = 3
GELU = 4
SILU = 5
TANH = 6
SIGMOID = 7
SOFTPLUS = 8
EXPONENTIAL = 9
SOFTMAX = 10

# losses (those from FROM_RAW on read the last layer's pre-activation, where the logarithm is exact)
MEAN_SQUARED_ERROR = 0
MEAN_ABSOLUTE_ERROR = 1
ROOT_MEAN_SQUARED_ERROR = 2
HUBER = 3
POISSON = 4
BINARY_CROSS_ENTROPY = 5
CATEGORICAL_CROSS_ENTROPY = 6
FROM_RAW = 7
POISSON_FROM_RAW = 7
BINARY_FROM_RAW = 8
CATEGORICAL_FROM_RAW = 9

# optimizers
GRADIENT_ONLY = -1
SGD = 0
MOMENTUM = 1
NESTEROV = 2
ADAM = 3
ADAMW = 4

# learning-rate schedules
CONSTANT = 0
INVERSE_SCALING = 1
ADAPTIVE = 2
COSINE = 3

# plan, int: first the numbers of the whole network ...
N_LAYERS = 0
LOSS = 1
OPTIMIZER = 2
SCHEDULE = 3
BATCH_SIZE = 4
N_ROWS = 5
N_EPOCHS = 6
SHUFFLED = 7
GATHERED = 8
WEIGHTED = 9
MEAN = 10
BY_ROWS = 11
NUMERICAL = 12
SEQUENTIAL = 13
CLIPPED = 14
FIXED_BIAS = 15
MOST_STEPS = 16
N_THREADS = 17
N_PARAMETERS = 18
N_SUMS = 19
BLOCK_ROWS = 20
BLOCK_COLUMNS = 21
BLOCK = 22
BLOCK_ROOM = 23
SCRATCH = 24
VALUES = 25
SLOPES = 26
COLUMNS = 27
TARGETS = 28
ROW_WEIGHTS = 29
VARIANTS = 30
VARIANT_SCRATCH = 31
SLOTS = 32
# ... then one record a layer, the inputs being layer 0
LAYERS = 40
RECORD = 16
SIZE = 0
PADDED = 1
STRIDE = 2
ACTIVATION = 3
WEIGHTS = 4
RAW = 5
ACTIVATED = 6
OUTPUT = 7
DROPOUT = 8
MASK = 9
DELTA = 10
TRANSPOSED = 11
SUMS = 12
MOVED_RAW = 13
MOVED = 14

# settings, float64
LEARNING_RATE = 0
ALPHA = 1
BETA_1 = 2
BETA_2 = 3
EPSILON = 4
WEIGHT_DECAY = 5
LOSS_EPSILON = 6
THRESHOLD = 7
VALUE_FACTOR = 8
GRADIENT_FACTOR = 9
DIFFERENCE_STEP = 10
TOLERANCE = 11
N_ITER_NO_CHANGE = 12
POWER_T = 13
WARM_UP = 14
TOTAL_STEPS = 15
CLIP_NORM = 16
DROPOUT_SEED = 17
N_SETTINGS = 18

# progress, float64: what a fit carries from one call to the next; 16 numbers (two cache lines) for each thread
RATE = 0
STEP_RATE = 1
STEPS = 2
ROWS_SEEN = 3
BEST_LOSS = 4
NO_IMPROVEMENT = 5
EPOCHS = 6
STOPPED = 7
BAD_STEP = 8
DECAYED_1 = 9
DECAYED_2 = 10
STEP_SIZE = 11
POSITION = 12
EPOCH_LOSS = 13
EPOCH_MASS = 14
N_PROGRESS = 16

# where threads meet: looks at the count (some ten microseconds) before a thread that waits offers its processor to
# others, and a count that nobody reaches, which says that a thread has failed and nobody waits any more
SPINS = 200
ABANDONED = 1073741824

# why a fit stopped
RUNNING = 0
CONVERGED = 1
DIVERGED = 2
SEPARATED = 3
UNUSUAL = 4

# plan of a pass over rows (`cross_products`, `logistic_pass`): which rows, how many columns, strides in numbers, sizes
PASS_FIRST = 0
PASS_LAST = 1
PASS_STEP = 2
PASS_FEATURES = 3
PASS_OUTPUTS = 4
PASS_CLASSES = 5
PASS_WIDTH = 6
PASS_PADDED = 7
PASS_INTERCEPT = 8
PASS_WEIGHTED = 9
PASS_IN_PAIRS = 10
PASS_X_ROW = 11
PASS_X_COLUMN = 12
PASS_Y_ROW = 13
PASS_Y_COLUMN = 14
PASS_WORK = 15
PASS_GRADIENT_ONLY = 16
PASS_REACH = 17
N_PASS = 18
# This many rows are packed together: they and their products stay in the first two levels of cache.
BLOCK_OF_ROWS = 64
# A whole vector of the widest kind holds this many doubles.
WHOLE = 8
# What is known of the rows of two classes stands at these places, in lines of BLOCK_OF_ROWS.
RAW_LINE = 0
SIGN_LINE = 64
SLOPE_LINE = 128
PAIR_LINE = 192
VALUE_LINE = 256
WRONG_LINE = 320
