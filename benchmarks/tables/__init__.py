"""The tables of README.md, each measured by the loop of suite/turns.py: `python -m benchmarks.tables NAME`."""
