"""The README's code runs as it stands, and its commands are those that are run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from raysel import zoo
from raysel.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
BASH = [text for language, text in BLOCKS if language == "bash"]
CONSOLE = [text.strip() for language, text in BLOCKS if language == "console"]


def run(command: list[str], folder: Path, **given: str) -> str:
    """Standard output of a command that must succeed, run as a user would: elsewhere, with what is installed."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", **given}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=550)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def python(number: int, folder: Path) -> str:
    """Standard output of a Python block, pasted into a file."""
    script = folder / "pasted.py"
    script.write_text(PYTHON[number])
    return run([sys.executable, str(script)], folder, RAY_ADDRESS="local")  # not one that another test started


def test_every_block_is_one_that_is_tested_here() -> None:
    assert {language for language, _ in BLOCKS} == {"bash", "console", "python", "text"}
    assert (len(PYTHON), len(BASH)) == (2, 1)


@pytest.mark.ray
@pytest.mark.slow
def test_the_tune_run_example_selects_a_model_of_the_zoo(tmp_path: Path) -> None:
    shown = python(0, tmp_path)
    assert re.search(r"^selected: \{.*'model': 'zoo/", shown, flags=re.MULTILINE), shown


@pytest.mark.ray
def test_the_example_with_a_trainable_of_ones_own_runs(tmp_path: Path) -> None:
    python(1, tmp_path)


def test_the_commands_on_ones_own_records_run(tmp_path: Path) -> None:
    shown = run(["bash", "-euo", "pipefail", "-c", BASH[0]], tmp_path)
    assert "our-history" in shown
    assert "convnext_tiny" in shown


def test_the_figures_of_the_replay_are_what_it_says() -> None:
    table = README.split("| method of the replay |")[1].split("\n\n")[0]
    told = re.findall(r"^\| ([\w-]+) \| (\d+) % \| ([\d.]+) \|$", table, flags=re.MULTILINE)
    assert len(told) == 7
    methods = ",".join(method for method, _, _ in told)
    result = CliRunner().invoke(
        main, ["replay", str(zoo.history_path()), "--gpus", "1", "--methods", methods, "--json"]
    )
    found = {row["method"]: row for row in json.loads(result.stdout)["summary"]}
    for method, loses, trainings in told:
        assert f"{found[method]['mean_relative_regret']:.0%}" == f"{loses}%", method
        assert f"{found[method]['mean_trainings']:.1f}" == trainings, method


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    install, test = CONSOLE[1].split(" && ")
    checks = (ROOT / ".ci" / "run").read_text().splitlines()
    assert test in checks
    assert install.replace("pip install", "pip install --quiet") in checks


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_into_the_tree_are_alive(link: str) -> None:
    assert link.startswith("https://") or (ROOT / link).exists(), link


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:raysel|benchmarks|tests|cluster)/[\w./]*)`", README))))
def test_paths_that_the_readme_names_exist(path: str) -> None:
    assert (ROOT / path).exists(), path
