"""The network's gradient by the central difference of its objective. Shared source."""


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def difference_gradient(plan: cython.pointer[cython.Py_ssize_t], settings: cython.pointer[cython.double], layer: cython.Py_ssize_t, part: cython.Py_ssize_t, inputs: cython.pointer[floating], input_stride: cython.Py_ssize_t, count: cython.Py_ssize_t, share: cython.double, targets: cython.pointer[floating], row_weights: cython.pointer[floating], parameters: cython.pointer[floating], gradient: cython.pointer[floating], work: cython.pointer[floating]) -> cython.int:
    # part 0: the layer's weights, 1: its bias. (f(w + h) - f(w - h)) / 2h for each, one forward pass a side
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    k: cython.Py_ssize_t
    first: cython.Py_ssize_t = 0
    last: cython.Py_ssize_t = of_layer(plan, layer - 1, SIZE)
    width: cython.Py_ssize_t = of_layer(plan, layer, PADDED)
    h: floating = constant(parameters, settings[DIFFERENCE_STEP])
    kept: floating
    above: cython.double
    below: cython.double
    if part == 1:
        first = last
        last = last + 1
    for i in range(first, last):
        for j in range(of_layer(plan, layer, SIZE)):
            k = of_layer(plan, layer, WEIGHTS) + i * width + j
            kept = parameters[k]
            parameters[k] = kept + h
            above = objective(plan, settings, inputs, input_stride, count, share, targets, row_weights, parameters, work)
            parameters[k] = kept - h
            below = objective(plan, settings, inputs, input_stride, count, share, targets, row_weights, parameters, work)
            parameters[k] = kept
            gradient[k] = constant(parameters, (above - below) / (2.0 * settings[DIFFERENCE_STEP]))
    return 0
