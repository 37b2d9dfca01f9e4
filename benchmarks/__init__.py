"""Benchmarks: the suite, tables for README.md, campaigns."""
