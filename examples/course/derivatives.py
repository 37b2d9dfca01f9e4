"""Chapter 1. The numerical derivative: how much f changes when x does, for one variable and for several."""

import numpy as np

from mlcore import numerical_derivative


def f1(x):
    return x**2


def f2(x):
    return 3 * x * np.exp(x)


def f3(v):
    x, y = v
    return 2 * x + 3 * x * y + y**3


def f4(v):
    (w, x), (y, z) = v
    return w * x + x * y * z + 3 * w + z * y**2


def main():
    print("x^2 at 3:                       ", numerical_derivative(f1, 3.0), " exactly 6")
    print("3x e^x at 2:                    ", numerical_derivative(f2, 2.0), " exactly", 9 * np.exp(2))
    print("2x + 3xy + y^3 at (1, 2):       ", numerical_derivative(f3, np.array([1.0, 2.0])), " exactly 8 and 15")
    print("wx + xyz + 3w + zy^2 at (1 2; 3 4):")
    print(numerical_derivative(f4, np.array([[1.0, 2.0], [3.0, 4.0]])), " exactly (5 13; 32 15)")


if __name__ == "__main__":
    main()
