"""The YOLO v1 loss (Redmon et al. 2016, equation 3) over grid cells. Shared source."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def signed_root(w: floating) -> floating:
    # sign(w) sqrt(|w|), a straight line within 1e-6 of 0, where the root's slope has no bound
    a: floating = abs(w)
    s: floating = square_root(a)
    if a < cast(w, 1e-6):
        return w * cast(w, 1e3)
    return -s if w < cast(w, 0.0) else s


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def signed_root_slope(w: floating) -> floating:
    a: floating = abs(w)
    if a < cast(w, 1e-6):
        return cast(w, 1e3)
    return cast(w, 0.5) / square_root(a)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def overlap(c: floating, w: floating, other: floating, other_w: floating) -> floating:
    # the length that two intervals of given centres and widths share
    half: floating = cast(c, 0.5)
    low: floating = c - half * w
    high: floating = c + half * w
    low = other - half * other_w if other - half * other_w > low else low
    high = other + half * other_w if other + half * other_w < high else high
    return high - low if high > low else cast(c, 0.0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def intersection_over_union(a: reals, b: reals, cells: floating) -> floating:
    # two boxes (x, y, w, h) of one cell: centres in units of a cell, sizes in units of the image
    zero: floating = constant(a, 0.0)
    aw: floating = zero if a[2] < zero else a[2]
    ah: floating = zero if a[3] < zero else a[3]
    bw: floating = zero if b[2] < zero else b[2]
    bh: floating = zero if b[3] < zero else b[3]
    shared: floating = overlap(a[0] / cells, aw, b[0] / cells, bw) * overlap(a[1] / cells, ah, b[1] / cells, bh)
    union: floating = aw * ah + bw * bh - shared
    return shared / union if union > zero else zero


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def yolo_kernel(
    n_images: integer,
    grid_size: integer,
    boxes: integer,
    classes: integer,
    target_is_iou: integer,
    lambda_coord: cython.double,
    lambda_noobj: cython.double,
    y_true_: floating[::1],
    y_pred_: floating[::1],
    gradient_: floating[::1],
) -> cython.double:
    # mean over images of the five sums; the responsible box's IoU is a constant for the gradient
    y_true: reals = ptr(y_true_)
    y_pred: reals = ptr(y_pred_)
    gradient: reals = ptr(gradient_)
    cell: integer
    b: integer
    j: integer
    k: integer
    responsible: integer
    t: reals
    p: reals
    d: reals
    total: cython.double = 0.0
    zero: floating = constant(y_pred, 0.0)
    one: floating = constant(y_pred, 1.0)
    cells: floating = constant(y_pred, grid_size)
    coordinates: floating = constant(y_pred, lambda_coord)
    empty: floating = constant(y_pred, lambda_noobj)
    share: floating = one
    best: floating
    iou: floating
    e: floating
    if n_images > 0:
        share = one / constant(y_pred, n_images)
    for cell in range(n_images * grid_size * grid_size):
        t = at(y_true, cell * (5 + classes))
        p = at(y_pred, cell * (5 * boxes + classes))
        d = at(gradient, cell * (5 * boxes + classes))
        for j in range(5 * boxes + classes):
            d[j] = zero
        responsible = -1
        best = -one
        if t[4] > constant(y_pred, 0.5):
            for b in range(boxes):
                iou = intersection_over_union(t, at(p, 5 * b), cells)
                if iou > best:
                    best = iou
                    responsible = b
            for j in range(classes):
                e = p[5 * boxes + j] - t[5 + j]
                total += e * e
                d[5 * boxes + j] = share * (e + e)
        for b in range(boxes):
            k = 5 * b
            if b == responsible:
                for j in range(2):
                    e = p[k + j] - t[j]
                    total += coordinates * e * e
                    d[k + j] = share * coordinates * (e + e)
                for j in range(2, 4):
                    e = signed_root(p[k + j]) - signed_root(t[j])
                    total += coordinates * e * e
                    d[k + j] = share * coordinates * (e + e) * signed_root_slope(p[k + j])
                e = p[k + 4] - (best if target_is_iou else one)
                total += e * e
                d[k + 4] = share * (e + e)
            else:
                e = p[k + 4]
                total += empty * e * e
                d[k + 4] = share * empty * (e + e)
    return total * share
