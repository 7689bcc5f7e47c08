"""Fixtures for every test."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of real public results that the environment variable RAYSEL_DATA names."""
    folder = os.environ.get("RAYSEL_DATA")
    if not folder:
        pytest.skip("RAYSEL_DATA names no folder of public results")
    return Path(folder)
