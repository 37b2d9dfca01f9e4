"""What tests of derivatives measure: calls of f, and the digits of each method."""

DIGITS = {"auto": 1e-10, "central": 1e-7, "five-point": 1e-9, "richardson": 1e-10, "complex-step": 1e-14}


class Counted:
    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.f(*arguments)
