"""Scales kept apart from the values they came from."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from raysel.recall.moments import Moments
from raysel.recall.prior import standardise


def drawn(seed: int, n: int, *, share: float, scale: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(loc=rng.normal(scale=scale, size=4), scale=[0.01, 1.0, 0.0, 30.0], size=(n, 4))
    values[rng.random(values.shape) < share] = np.nan
    return values


@given(st.integers(0, 1000), st.integers(1, 20), st.sampled_from([0.0, 0.5]), st.sampled_from([1.0, 100.0]))
def test_moments_standardise_as_the_values_themselves_do(seed, n, share, scale):
    values = drawn(seed, n, share=share, scale=scale)
    np.testing.assert_allclose(Moments.of(values).standardised(values), standardise(values), atol=1e-8)


@given(st.integers(0, 1000), st.integers(1, 10), st.integers(0, 5), st.integers(0, 5))
def test_exchanging_rows_is_making_them_anew(seed, kept, gone, come):
    stay, old, new = (drawn(seed + i, n, share=0.3, scale=1.0) for i, n in enumerate((kept, gone, come)))
    found = Moments.of(np.vstack([stay, old])).exchanged(old, new)
    expected = Moments.of(np.vstack([stay, new]))
    np.testing.assert_array_equal(found.count, expected.count)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.spread, expected.spread, rtol=1e-6, atol=1e-6)
