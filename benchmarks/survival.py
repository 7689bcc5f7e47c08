"""The slow suite, kills included, as a page: each test, how long it took and how it ended.

\b
    python benchmarks/survival.py [PATH ...]

Runs `pytest -n 2 -m slow` on the tests (or on PATHs among them) and writes slow_suite.json and .md into
benchmarks/results, with the revision; what was run before and not now stays there with its own. Ends with pytest's exit
code.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

import click
from page import table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

HEAD = """# The slow suite

Made by `python benchmarks/survival.py`, whole or part by part, on {processors} processors, with Python {python} and Ray
{ray}, two tests at a time: {passed} of {run} tests passed{skipped}. What a test printed (the seed of its kills, what it
measured) is in the last column.

"""


def rows(report: Path, *, at: str) -> list[list[str]]:
    """(test, seconds, outcome, revision, printed) of each test in pytest's XML report."""
    found = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314  written by pytest just now
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        # What is captured comes under a heading of dashes for each phase of the test.
        said = [
            line for line in (case.findtext("system-out") or "").splitlines() if line and not line.startswith("---")
        ]
        name = f"{case.get('classname', '').removeprefix('tests.')}: {case.get('name', '').removeprefix('test_')}"
        outcome, printed = next(iter(kinds), "passed"), said[-1].replace("|", "/") if said else ""
        found.append([name, f"{float(case.get('time', 0)):.0f}", outcome, at, printed])
    return found


def revision() -> str:
    """Of the checkout, and whether it was changed since."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")


def page(found: Sequence[Sequence[str]]) -> str:
    """The page."""
    outcomes = [outcome for _, _, outcome, _, _ in found]
    skipped = outcomes.count("skipped")
    head = HEAD.format(
        processors=os.cpu_count(),
        python=platform.python_version(),
        ray=version("ray"),
        passed=outcomes.count("passed"),
        run=len(found) - skipped,
        skipped=f" and {skipped} were skipped" if skipped else "",
    )
    return head + table(["test", "seconds", "outcome", "revision", "printed"], found)


@click.command(help=__doc__)
@click.argument("paths", nargs=-1)
def main(paths: tuple[str, ...]) -> None:
    """See above."""
    at = revision()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        told = ["-o", "junit_logging=system-out", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", "-n", "2", "-m", "slow", *told, *(paths or ("tests",))]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        made = rows(report, at=at)
    kept = RESULTS / "slow_suite.json"
    known = {row[0]: row for row in json.loads(kept.read_text())} if kept.exists() else {}
    found = sorted((known | {row[0]: row for row in made}).values())
    kept.write_text(json.dumps(found, indent=0) + "\n")
    (RESULTS / "slow_suite.md").write_text(page(found))
    sys.exit(code)


if __name__ == "__main__":
    main()
