"""A grid detector: find bright squares and discs in noisy images, by the YOLO v1 loss."""

import numpy as np

import mlcore

SIDE, GRID = 24, 3
CLASSES = ("square", "disc")


def draw(rng, n):
    """Draw n images with one or two objects each; return them with labels (n, GRID, GRID, 5 + classes).

    A cell that holds the centre of an object says: x, y within the cell, width, height within the image, 1, the class.
    """
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    images, labels = rng.normal(0.0, 0.05, (n, SIDE, SIDE)), np.zeros((n, GRID, GRID, 5 + len(CLASSES)))
    for image, cells in zip(images, labels, strict=True):
        taken = np.zeros((SIDE, SIDE), bool)
        for _ in range(rng.integers(1, 3)):
            size, kind = rng.uniform(6.0, 11.0), rng.integers(len(CLASSES))
            x, y = rng.uniform(size / 2, SIDE - size / 2, 2)
            across, down = np.abs(columns - x), np.abs(rows - y)
            distance = np.hypot(across, down) if CLASSES[kind] == "disc" else np.maximum(across, down)
            inside = distance <= size / 2
            column, row = int(x * GRID / SIDE), int(y * GRID / SIDE)
            if cells[row, column, 4] == 1.0 or taken[inside].any():
                continue  # one object a cell, and none over another
            taken |= inside
            image[inside] += rng.uniform(0.5, 1.0)
            cells[row, column, :5] = x * GRID / SIDE - column, y * GRID / SIDE - row, size / SIDE, size / SIDE, 1.0
            cells[row, column, 5 + kind] = 1.0
    return images.reshape(n, -1), labels


def overlap(a, b):
    """The intersection over union of boxes (x, y, w, h), row by row, each pair in one cell."""
    a_size, b_size = np.maximum(a[:, 2:4], 0.0), np.maximum(b[:, 2:4], 0.0)
    low = np.maximum(a[:, :2] / GRID - a_size / 2, b[:, :2] / GRID - b_size / 2)
    high = np.minimum(a[:, :2] / GRID + a_size / 2, b[:, :2] / GRID + b_size / 2)
    shared = np.maximum(high - low, 0.0).prod(axis=1)
    return shared / (a_size.prod(axis=1) + b_size.prod(axis=1) - shared)


def evaluate(predicted, labels, threshold=0.5):
    """Score predictions (n, GRID, GRID, 5 + classes) over all true objects, and over all boxes above the threshold."""
    holds, found = labels[..., 4] == 1.0, predicted[..., 4] > threshold
    iou = np.zeros(holds.shape)
    iou[holds] = overlap(predicted[holds], labels[holds])
    right = found & (iou >= 0.5)
    return {
        "mean_iou": float(iou[holds].mean()),
        "class_accuracy": float((predicted[..., 5:].argmax(-1) == labels[..., 5:].argmax(-1))[holds].mean()),
        "precision": float(right.sum() / found.sum()),
        "recall": float(right.sum() / holds.sum()),
    }


def train(seed=0):
    """Train on 12 000 images; return the scores on 1000 others."""
    rng = np.random.default_rng(seed)
    images, labels = draw(rng, 12_000)
    loss = mlcore.losses.YOLOv1(grid_size=GRID, boxes=1, classes=len(CLASSES))
    net = mlcore.Network((SIDE**2, 256, 128, labels[0].size), "relu", loss=loss, dtype="float32", random_state=seed)
    for epochs, rate in ((8, 0.001), (4, 0.0002)):
        net.fit(
            images, labels.reshape(len(labels), -1), epochs=epochs, batch_size=64, optimizer="adam", learning_rate=rate
        )
    images, labels = draw(rng, 1000)
    return evaluate(net.forward(images).reshape(labels.shape), labels)


def main():
    for name, value in train().items():
        print(f"{name.replace('_', ' '):15} {value:.3f}")


if __name__ == "__main__":
    main()
