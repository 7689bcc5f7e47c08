"""The slow suite, kills included, as a page: each test, how long it took and how it ended.

\b
    python benchmarks/survival.py [PATH ...]

Runs `pytest -n 2 -m slow` on the tests (or on PATHs among them) and writes slow_suite.md into benchmarks/results, with
the revision. Ends with pytest's exit code.
"""

import os
import platform
import subprocess
import sys
import time
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

Made by `python benchmarks/survival.py{paths}` at revision {revision}, on {processors} processors, with Python {python}
and Ray {ray}: {passed} of {run} tests passed{skipped}, in {minutes:.0f} minutes, two at a time. What a test printed
(the seed of its kills, what it measured) is in the last column.

"""


def rows(report: Path) -> list[list[str]]:
    """(test, seconds, outcome, printed) of each test in pytest's XML report, by name."""
    found = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):  # noqa: S314  written by pytest just now
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        # What is captured comes under a heading of dashes for each phase of the test.
        said = [
            line for line in (case.findtext("system-out") or "").splitlines() if line and not line.startswith("---")
        ]
        name = f"{case.get('classname', '').removeprefix('tests.')}: {case.get('name', '').removeprefix('test_')}"
        outcome = next(iter(kinds), "passed")
        found.append([name, f"{float(case.get('time', 0)):.0f}", outcome, said[-1].replace("|", "/") if said else ""])
    return sorted(found)


def revision() -> str:
    """Of the checkout, and whether it was changed since."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")


def page(found: Sequence[Sequence[str]], *, paths: Sequence[str], at: str, minutes: float) -> str:
    """The page."""
    outcomes = [outcome for _, _, outcome, _ in found]
    skipped = outcomes.count("skipped")
    head = HEAD.format(
        paths="".join(f" {path}" for path in paths),
        revision=at,
        processors=os.cpu_count(),
        python=platform.python_version(),
        ray=version("ray"),
        passed=outcomes.count("passed"),
        run=len(found) - skipped,
        skipped=f" and {skipped} were skipped" if skipped else "",
        minutes=minutes,
    )
    return head + table(["test", "seconds", "outcome", "printed"], found)


@click.command(help=__doc__)
@click.argument("paths", nargs=-1)
def main(paths: tuple[str, ...]) -> None:
    """See above."""
    at = revision()
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        told = ["-o", "junit_logging=system-out", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", "-n", "2", "-m", "slow", *told, *(paths or ("tests",))]
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        minutes = (time.monotonic() - began) / 60
        found = rows(report)
    (RESULTS / "slow_suite.md").write_text(page(found, paths=paths, at=at, minutes=minutes))
    sys.exit(code)


if __name__ == "__main__":
    main()
