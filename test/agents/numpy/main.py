"""A requirement with C code, threads of its own and a global generator."""

import numpy as np


def mean(numbers: list) -> dict:
    """Return numpy's own types: scalars, arrays, a bool."""
    values = np.asarray(numbers, dtype=float)
    return {"mean": values.mean(), "array": values * 2, "big": values.mean() > 1, "count": np.int64(values.size)}


def draw(count: int = 4) -> list:
    """Draw from the global generator: no two instances may draw the same."""
    return np.random.random(count)


def product(size: int = 64) -> float:
    """Multiply matrices, on BLAS' threads."""
    matrix = np.ones((size, size))
    return float((matrix @ matrix).sum())


def nan() -> dict:
    """Return what JSON has no word for."""
    return {"values": np.array([1.0, float("nan")])}
