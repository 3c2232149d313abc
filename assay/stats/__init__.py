"""Intervals and tests: pure functions, arrays in, frozen results out."""
