"""The files for `ray up`: what Ray itself makes of them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).parents[2] / "cluster"
FILES = ("aws.yaml", "onpremise.yaml")


@pytest.fixture(params=FILES)
def given(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a file says."""
    return dict(yaml.safe_load((CLUSTER / request.param).read_text()))


def test_ray_takes_them(given: dict[str, Any]) -> None:
    validate_config(prepare_config(given))


def test_ray_would_refuse_others(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="idle_minutes"):
        validate_config(prepare_config({**given, "idle_minutes": 5}))


def test_the_head_gives_nothing_to_trials_and_its_dashboard_listens_inside(given: dict[str, Any]) -> None:
    (start,) = [line for line in given["head_start_ray_commands"] if "ray start" in line]
    assert "--num-cpus=0 --num-gpus=0" in start
    assert "--dashboard-host=127.0.0.1" in start
    assert "--autoscaling-config=" in start
    assert not any("--head" in line for line in given["worker_start_ray_commands"])


def test_aws_grows_from_nothing_by_spot_machines_first() -> None:
    config = prepare_config(yaml.safe_load((CLUSTER / "aws.yaml").read_text()))
    types = config["available_node_types"]
    assert types.pop(config["head_node_type"])["resources"] == {"CPU": 0, "GPU": 0}
    assert {name: (kind["min_workers"], kind["max_workers"]) for name, kind in types.items()} == {
        "gpu-spot": (0, 6),
        "gpu": (0, 2),
    }
    assert sum(kind["max_workers"] for kind in types.values()) == config["max_workers"]
    assert all(kind["resources"]["GPU"] >= 1 for kind in types.values())
    markets = {name: kind["node_config"].get("InstanceMarketOptions") for name, kind in types.items()}
    assert markets == {"gpu-spot": {"MarketType": "spot"}, "gpu": None}
    assert config["provider"]["cache_stopped_nodes"] is False


def test_on_premise_starts_every_machine() -> None:
    config = prepare_config(yaml.safe_load((CLUSTER / "onpremise.yaml").read_text()))
    (kind,) = config["available_node_types"].values()
    assert kind["min_workers"] == kind["max_workers"] == len(config["provider"]["worker_ips"])


SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|hf_[A-Za-z0-9]{20,}|-----BEGIN|(?:SECRET|TOKEN|PASSWORD)\w*[\"']?\s*[:=]\s*[\"']?[\w/+]{8,}"
)


@pytest.mark.parametrize("leak", ["AWS_SECRET_ACCESS_KEY: wJalrXUtnFEMI", "HF_TOKEN=hf_abcdefgh", "AKIA" + "A" * 16])
def test_a_secret_would_be_found(leak: str) -> None:
    assert SECRET.search(leak)


@pytest.mark.parametrize("file", sorted(path.name for path in CLUSTER.iterdir()))
def test_no_file_holds_a_secret(file: str) -> None:
    found = SECRET.search((CLUSTER / file).read_text())
    assert found is None, found
