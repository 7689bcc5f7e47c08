"""Which runs for the history's sake are on record."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from raysel.finetune import Recipe
from raysel.history import History, canonical
from raysel.history.revisions import Revised
from raysel.tune.recording import on_record
from tests.history.rows import runs

OLD, NEW = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("current", "there"), [({}, {"net", "plain"}), ({"net": OLD}, {"net", "plain"}), ({"net": NEW}, {"plain"})]
)
def test_runs_of_an_older_upload_are_none_of_the_model_s(
    tmp_path: Path, current: dict[str, str], there: set[str]
) -> None:
    recipe = Recipe(seed=3)
    config = {key: value for key, value in recipe.as_dict().items() if key != "seed"}
    history = History.create(tmp_path / "history")
    history.append(runs=runs("net", "plain", revision=[OLD, ""], fingerprint="f", config=canonical(config), seed=3))
    data = SimpleNamespace(name="d", fingerprint="f")
    assert on_record(Revised(history, current), data, recipe) & {"net", "plain"} == there  # type: ignore[arg-type]
