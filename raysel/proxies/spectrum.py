"""The singular values and directions of features, which several proxies are written in.

Notation: F (n, d) features; F = U S V' with U (n, r) and V (d, r) of orthonormal columns; sigma (r,) the squares of the
singular values that are not 0, ascending; Y (n, k) outputs; z = U'Y (r, k).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raysel.arrays import FloatArray


@dataclass(frozen=True)
class Spectrum:
    """F by its singular directions, from the smaller of F'F and FF'.

    Args:
        sigma: (r,) what is below some 1e-6 of the largest singular value counts as 0.
        features: (n, d) F itself.
        vectors: V if d <= n, else U.
    """

    sigma: FloatArray
    features: FloatArray
    vectors: FloatArray

    @classmethod
    def of(cls, F: FloatArray) -> "Spectrum":
        """The spectrum of F (n, d), float64."""
        n, d = F.shape
        sigma, vectors = np.linalg.eigh(F.T @ F if d <= n else F @ F.T)
        kept = sigma > max(n, d) * np.finfo(np.float64).eps * abs(sigma[-1])
        return cls(sigma[kept], F, vectors[:, kept])

    @property
    def tall(self) -> bool:
        """Whether there are as many samples as features, or more."""
        n, d = self.features.shape
        return bool(d <= n)

    def project(self, Y: FloatArray) -> FloatArray:
        """z (r, k), the part of each output along each left singular vector."""
        if self.tall:
            z: FloatArray = self.vectors.T @ (self.features.T @ Y) / np.sqrt(self.sigma)[:, None]
            return z
        return self.vectors.T @ Y

    def left(self, rows: slice) -> FloatArray:
        """These rows of U, so that the whole of it need not be held."""
        if self.tall:
            return self.features[rows] @ self.vectors / np.sqrt(self.sigma)
        return self.vectors[rows]


def centred(features: NDArray[np.floating]) -> FloatArray:
    """A copy (n, d) less the mean of each feature, float64; exactly 0 for a feature that never changes.

    >>> centred(np.array([[1.0, 0.1], [2.0, 0.1], [3.0, 0.1]])).tolist()
    [[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]
    """
    F = features.astype(np.float64)
    constant = features.min(axis=0) == features.max(axis=0)
    F -= F.mean(axis=0)
    F[:, constant] = 0
    return F
