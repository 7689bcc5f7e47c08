"""The image, the runtime environment and the README: what can be told of them without a cluster."""

import re
import shlex
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
README = (CLUSTER / "README.md").read_text()
DOCKERFILE = (CLUSTER / "Dockerfile").read_text()
BLOCKS = [
    text.strip().splitlines() for text in re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
]


def instructions() -> list[tuple[str, str]]:
    """(word, rest) of the Dockerfile's lines, without comments and with continued lines joined."""
    bare = "\n".join(line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#"))
    lines = [line.split(None, 1) for line in bare.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in lines]


def test_the_image_stays_with_a_user_who_is_not_root() -> None:
    words = [word for word, _ in instructions()]
    assert words[:3] == ["ARG", "FROM", "ARG"]
    assert "USER" not in words, "the base image's user is not root"
    assert set(words) <= {"ARG", "FROM", "ENV", "WORKDIR", "COPY", "RUN"}


def test_the_image_copies_what_there_is_and_all_that_is_built() -> None:
    copied = [shlex.split(rest)[1:-1] for word, rest in instructions() if word == "COPY"]
    sources = [source for each in copied for source in each]
    assert all((ROOT / source).exists() for source in sources)
    assert set(sources) == {"pyproject.toml", "README.md", "LICENSE", "raysel"}


def test_one_version_of_ray_everywhere() -> None:
    (pinned,) = re.findall(r"^ARG RAY_VERSION=(.+)$", DOCKERFILE, re.MULTILINE)
    assert f"ray[default,tune]=={'${RAY_VERSION}'}" in DOCKERFILE
    cluster = yaml.safe_load((CLUSTER / "raycluster.yaml").read_text())["spec"]
    docker = yaml.safe_load((CLUSTER / "aws.yaml").read_text())["docker"]
    assert cluster["rayVersion"] == pinned
    assert docker["head_image"] == f"rayproject/ray:{pinned}-py311"
    assert docker["worker_image"] == f"rayproject/ray:{pinned}-py311-gpu"
    (least,) = [line for line in requires("raysel") or () if line.startswith("ray[")]
    assert least.endswith(f">={'.'.join(pinned.split('.')[:2])}")


def test_the_image_is_called_what_the_manifests_ask_for() -> None:
    cluster = yaml.safe_load((CLUSTER / "raycluster.yaml").read_text())["spec"]
    (head,) = cluster["headGroupSpec"]["template"]["spec"]["containers"]
    assert head["image"] == f"REGISTRY/raysel:{version('raysel')}"
    assert README.count(f"-t {head['image']} .") == DOCKERFILE.count(f"-t {head['image']} .") * 2 == 2


def test_ray_takes_the_runtime_environment() -> None:
    from ray.runtime_env import RuntimeEnv

    given = yaml.safe_load((CLUSTER / "runtime_env.yaml").read_text())
    assert set(given) == {"excludes", "env_vars"}
    RuntimeEnv(**given)
    with pytest.raises(TypeError):
        RuntimeEnv(**{**given, "excludes": "tests"})
    assert not {"raysel", "cluster"} & set(given["excludes"])


def test_less_than_ten_commands_from_nothing_to_a_selection() -> None:
    assert len(BLOCKS) == 4
    for block in BLOCKS:
        assert 4 <= len(block) < 10, block
        assert any("select" in line or "rayjob.yaml" in line for line in block)


@pytest.mark.parametrize("command", sorted({line for block in BLOCKS for line in block}))
def test_commands_are_whole_and_name_what_there_is(command: str) -> None:
    words = shlex.split(command)
    files = [word for word in words if word.startswith("cluster/")]
    assert all((ROOT / file).is_file() for file in files), files
    if "select" in words:
        from raysel.cli import main

        known = {name for parameter in main.commands["select"].params for name in parameter.opts}
        asked = words[words.index("select") :]
        assert {word for word in asked if word.startswith("--")} <= known
        assert asked[asked.index("--out") + 1].startswith("/")
        assert words[words.index("--") + 1 :][:4] == ["python", "-m", "raysel", "select"]


def test_every_file_is_explained() -> None:
    others = {path.name for path in CLUSTER.iterdir()} - {"README.md"}
    assert {name for name in others if f"cluster/{name}" not in README} == set()


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", README.replace("\n", " ")))))
def test_links_are_alive(link: str) -> None:
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", README, re.MULTILINE)}
    assert link.startswith("https://") or link.removeprefix("#") in headings, link


def test_the_limit_of_a_submitted_folder_is_the_one_that_ray_has() -> None:
    from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE

    assert f"Over {GCS_STORAGE_MAX_SIZE >> 20} MiB `ray job submit` refuses" in README
    assert f"{GCS_STORAGE_MAX_SIZE >> 20} MiB" in (ROOT / "raysel" / "cli" / "session.py").read_text()
