import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysel.recall.prior import prior, standardise

NAN = np.nan


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, 3], [-1, 1]),
        ([1, 3, NAN], [-1, 1, NAN]),
        ([0.1, 0.1, 0.1], [0, 0, 0]),  # their standard deviation is 1e-17 in floating point
        ([5, NAN], [0, NAN]),
        ([NAN, NAN], [NAN, NAN]),
        ([-4, 0, 4], [-np.sqrt(1.5), 0, np.sqrt(1.5)]),
    ],
)
def test_standardise(column, expected):
    assert standardise(np.array(column, dtype=float)) == pytest.approx(np.array(expected), nan_ok=True)
    assert standardise(np.array([column]).T.astype(float))[:, 0] == pytest.approx(np.array(expected), nan_ok=True)


@given(st.floats(1e-3, 1e3), st.floats(-1e3, 1e3), st.integers(0, 99))
def test_scale_and_offset_do_not_matter(scale, offset, seed):
    values = np.random.default_rng(seed).normal(size=(7, 2))
    assert standardise(scale * values + offset) == pytest.approx(standardise(values), abs=1e-6)


def test_prior_counts_two_average_datasets_more():
    z = np.array([[1.5, NAN, NAN], [1.5, 1.5, 1.5], [NAN, NAN, NAN], [0.5, -1.0, NAN]])
    assert prior(z).tolist() == [0.5, 0.9, 0.0, -0.125]
