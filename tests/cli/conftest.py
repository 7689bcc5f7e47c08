"""A small history, a copy a test, and a way to run the command line in its folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from raysel import History
from raysel.cli import main
from raysel.history.importers import import_file

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


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a history of four models on three datasets, beside the files that it was made from."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "matrix.csv").write_text(MATRIX)
    (folder / "proxies.csv").write_text(PROXIES)
    import_file(History.create(folder / "history"), folder / "matrix.csv")
    return folder


@pytest.fixture
def history(run: Run, template: Path, tmp_path: Path) -> str:
    """The path of a history of one's own, beside the files that it was made from."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return "history"
