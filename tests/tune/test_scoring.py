"""Proxy scoring without a cluster: what is refused before anything is computed."""

from pathlib import Path

import numpy as np
import pytest

from raysel import History, Target
from raysel.errors import OptionError
from raysel.tune.scoring import ProxyScoring


def test_what_labels_mean_must_be_said(tmp_path: Path) -> None:
    target = Target("t", task="", samples=lambda: (np.zeros((4, 2)), np.array([0, 1, 0, 1])))
    with pytest.raises(OptionError, match="`task` is ''"):
        ProxyScoring(
            History.create(tmp_path / "history"),
            target=target,
            proxies=("logme",),
            models=("m",),
            extract=None,
            resources={},
            max_samples=4,
            timeout=60.0,
            seed=0,
        )
