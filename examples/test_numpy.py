"""NumPy and scikit-learn: a budget for a fit, and an A/B comparison of two algorithms.

pytest examples/test_numpy.py --energy-report
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier


@pytest.mark.energy_budget(max="500 J")
def test_fit(energy):
    """A limit on the whole fit, and the accuracy that was bought with it."""
    images, labels = load_digits(return_X_y=True)
    model = RandomForestClassifier(n_estimators=100, random_state=0)
    with energy.measure("fit"):
        model.fit(images[:1200], labels[:1200])
    right = model.predict(images[1200:]) == labels[1200:]
    energy.record(correct=int(right.sum()), total=len(right))
    energy.assert_accuracy(float(right.mean()), baseline=0.93, max_drop=0.02)


def made(rank: int = 10) -> np.ndarray:
    """A matrix of low rank, and noise."""
    random = np.random.default_rng(0)
    signal = random.normal(size=(800, rank)) @ random.normal(size=(rank, 300))
    return signal + 0.1 * random.normal(size=signal.shape)


def test_a_randomized_decomposition_needs_less(energy):
    """Ten components of 300: is the full decomposition worth its energy?"""
    matrix = made()

    def components(solver: str) -> PCA:
        return PCA(10, svd_solver=solver, random_state=0).fit(matrix)

    full, quick = components("full"), components("randomized")
    explained = full.explained_variance_ratio_.sum(), quick.explained_variance_ratio_.sum()
    assert explained[1] >= 0.999 * explained[0]

    compared = energy.compare(
        lambda: components("randomized"), lambda: components("full"), rounds=5
    )
    compared.assert_lower()
