"""A small history, made once a test, and a way to run the command line in its folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from raysel.cli import main

Run = Callable[..., Result]

MATRIX = """model,dataset,metric,mode,value
a,x,accuracy,max,0.50
a,y,accuracy,max,0.60
a,z,accuracy,max,0.55
b,x,accuracy,max,0.52
b,y,accuracy,max,0.62
b,z,accuracy,max,0.54
c,x,accuracy,max,0.90
c,y,accuracy,max,0.95
c,z,accuracy,max,0.30
d,x,accuracy,max,0.88
d,y,accuracy,max,0.94
d,z,accuracy,max,0.32
"""
PROXIES = """model,dataset,proxy,value
a,z,leep,-0.1
b,z,leep,-0.2
c,z,leep,-0.9
d,z,leep,-0.8
a,x,leep,0.0
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `raysel` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str) -> Result:
        return CliRunner().invoke(main, list(args), prog_name="raysel")

    return run


@pytest.fixture
def history(run: Run, tmp_path: Path) -> str:
    """The path of a history of four models on three datasets, beside the files that it was made from."""
    (tmp_path / "matrix.csv").write_text(MATRIX)
    (tmp_path / "proxies.csv").write_text(PROXIES)
    for args in (("create", "history"), ("add", "history", "matrix.csv")):
        assert run("history", *args).exit_code == 0
    return "history"
