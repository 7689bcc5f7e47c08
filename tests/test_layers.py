"""The promises that keep the layers apart."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import raysel
from raysel import errors

PACKAGE = Path(raysel.__file__).parent
NEITHER = ("ray", "torch")


def modules(folder: str) -> list[str]:
    """Every module of a layer, by its dotted name."""
    files = sorted((PACKAGE / folder).rglob("*.py"))
    names = [".".join(("raysel", *file.relative_to(PACKAGE).with_suffix("").parts)) for file in files]
    return [name.removesuffix(".__init__") for name in names]


def imported(names: list[str], among: tuple[str, ...]) -> list[str]:
    """Which of the packages a fresh interpreter has after it imported the modules."""
    return loaded(f"import importlib\nfor name in {names!r}: importlib.import_module(name)", among)


def loaded(program: str, among: tuple[str, ...]) -> list[str]:
    """Which of the packages a fresh interpreter has after it ran the program."""
    program += f"\nimport sys\nprint(*(name for name in {among!r} if name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()[-1].split()


@pytest.mark.parametrize(
    ("layer", "forbidden"),
    [
        ("history", NEITHER),
        ("recall", NEITHER),
        ("proxies", NEITHER),
        ("trends", NEITHER),
        ("report", NEITHER),
        ("replay", ("torch",)),
    ],
)
def test_pure_layers_stay_pure(layer: str, forbidden: tuple[str, ...]) -> None:
    names = modules(layer)
    assert f"raysel.{layer}" in names
    assert imported(names, forbidden) == []


def test_a_bare_import_and_the_help_are_light() -> None:
    heavy = ("ray", "torch", "numpy", "pandas", "pyarrow", "sklearn", "matplotlib")
    assert imported(["raysel"], heavy) == []
    assert imported(["raysel.cli"], heavy) == []


def test_verbs_that_train_nothing_start_neither_ray_nor_torch(tmp_path: Path) -> None:
    (tmp_path / "proxies.csv").write_text("model,dataset,proxy,value\na,x,leep,-0.5\n")
    verbs = [
        ["history", "create", f"{tmp_path}/history"],
        ["history", "add", f"{tmp_path}/history", f"{tmp_path}/proxies.csv"],
        ["history", "show", f"{tmp_path}/history"],
        ["history", "check", f"{tmp_path}/history"],
        ["history", "compact", f"{tmp_path}/history"],
        ["recall", f"{tmp_path}/history", "--target", "x", "--proxies", f"{tmp_path}/proxies.csv"],
    ]
    program = f"from raysel.cli import main\nfor verb in {verbs!r}: main(verb, standalone_mode=False)"
    assert loaded(program, NEITHER) == []


def test_the_boundary_test_can_fail() -> None:
    assert imported(["raysel.tune"], NEITHER) == ["ray"]


def test_public_names_are_sorted_and_resolve() -> None:
    assert raysel.__all__ == sorted(raysel.__all__)
    for name in raysel.__all__:
        assert getattr(raysel, name).__module__.startswith("raysel."), name
    assert set(raysel.__all__) <= set(dir(raysel))
    with pytest.raises(AttributeError, match="no attribute 'Histroy'"):
        raysel.Histroy  # noqa: B018


@pytest.mark.parametrize("package", [path.parent.name for path in sorted(PACKAGE.glob("*/__init__.py"))])
def test_the_names_of_every_package_are_sorted(package: str) -> None:
    listed = ast.parse((PACKAGE / package / "__init__.py").read_text())
    for node in listed.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names = ast.literal_eval(node.value)
            # As ruff sorts them: constants, then classes, then functions.
            assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


@pytest.mark.parametrize("file", sorted((PACKAGE / "tune").glob("*.py")), ids=lambda file: file.name)
def test_adapters_stay_thin(file: Path) -> None:
    lines = len(file.read_text().splitlines())
    assert lines < 300, f"{file.name} has {lines} lines: logic has leaked into the Ray seam"


def test_every_error_is_drawn_in_the_tree_and_says_what_it_means() -> None:
    raised = {
        name: error
        for name, error in vars(errors).items()
        if isinstance(error, type) and issubclass(error, errors.RayselError)
    }
    drawn = re.findall(r"\b\w+Error\b", (errors.__doc__ or "").split("Each message")[0])
    assert set(raised) <= set(drawn)
    for error in raised.values():
        assert error.__doc__
        assert error.__doc__ != errors.RayselError.__doc__ or error is errors.RayselError


def test_tests_run_against_this_checkout() -> None:
    assert PACKAGE.parent == Path(__file__).parents[1], "`import raysel` must find the checkout that the tests are in"
