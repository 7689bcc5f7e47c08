"""The manifests for KubeRay: their structure, and KubeRay's own schemas where KUBERAY_CRDS names a folder of them."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

CLUSTER = Path(__file__).parents[2] / "cluster"
CRDS = {"RayCluster": "ray.io_rayclusters.yaml", "RayJob": "ray.io_rayjobs.yaml"}


def manifest(file: str) -> dict[str, Any]:
    return dict(yaml.safe_load((CLUSTER / file).read_text()))


def spec_of(kind: str) -> dict[str, Any]:
    """What a manifest says of the cluster."""
    if kind == "RayCluster":
        return dict(manifest("raycluster.yaml")["spec"])
    return dict(manifest("rayjob.yaml")["spec"]["rayClusterSpec"])


def shared() -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in yaml.safe_load_all((CLUSTER / "shared.yaml").read_text())}


def closed(schema: Any) -> Any:
    """The schema with every object that lists its properties closed to others, as strict validation is."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(each) for key, each in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        inner.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        inner["type"] = ["integer", "string"]
    return inner


@pytest.fixture(scope="module")
def crds() -> Path:
    """The folder with KubeRay's CRDs: ray-operator/config/crd/bases of its repository."""
    folder = os.environ.get("KUBERAY_CRDS")
    if not folder:
        pytest.skip("KUBERAY_CRDS names no folder with KubeRay's CRDs")
    return Path(folder)


def validator(crds: Path, kind: str) -> Draft202012Validator:
    crd = yaml.safe_load((crds / CRDS[kind]).read_text())
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == "v1"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    # The metadata is Kubernetes' own matter: the CRD says no more than that it is an object.
    return Draft202012Validator(schema)


@pytest.mark.parametrize(("kind", "file"), [("RayCluster", "raycluster.yaml"), ("RayJob", "rayjob.yaml")])
def test_kuberay_takes_them(crds: Path, kind: str, file: str) -> None:
    checks = validator(crds, kind)
    assert [f"{error.json_path}: {error.message}" for error in checks.iter_errors(manifest(file))] == []
    wrong = manifest(file)
    wrong["spec"]["idleMinutes"] = 5
    assert not checks.is_valid(wrong)


@pytest.mark.parametrize(("kind", "file"), [("RayCluster", "raycluster.yaml"), ("RayJob", "rayjob.yaml")])
def test_they_are_of_the_current_version(kind: str, file: str) -> None:
    given = manifest(file)
    assert (given["apiVersion"], given["kind"], given["metadata"]["name"]) == ("ray.io/v1", kind, "raysel")


def test_the_job_runs_on_the_same_cluster() -> None:
    assert spec_of("RayJob") == spec_of("RayCluster")


def test_the_head_gives_nothing_to_trials_and_workers_with_a_gpu_come_when_asked_for() -> None:
    spec = spec_of("RayCluster")
    assert spec["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}
    (head,) = spec["headGroupSpec"]["template"]["spec"]["containers"]
    assert "nvidia.com/gpu" not in head["resources"]["limits"]
    assert spec["enableInTreeAutoscaling"] is True
    (group,) = spec["workerGroupSpecs"]
    assert (group["minReplicas"], group["replicas"]) == (0, 0)
    assert group["maxReplicas"] > 0
    (worker,) = group["template"]["spec"]["containers"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert worker["resources"]["limits"] == worker["resources"]["requests"]
    assert worker["image"] == head["image"]


def test_secrets_come_from_a_secret_and_an_account_alone() -> None:
    spec = spec_of("RayCluster")
    account = shared()["ServiceAccount"]["metadata"]["name"]
    for template in (spec["headGroupSpec"]["template"], spec["workerGroupSpecs"][0]["template"]):
        assert template["spec"]["serviceAccountName"] == account
        for container in template["spec"]["containers"]:
            assert container["envFrom"] == [{"secretRef": {"name": "raysel-secrets", "optional": True}}]
            assert "env" not in container
    assert spec["authOptions"] == {"mode": "token"}


def test_every_pod_sees_the_shared_folder() -> None:
    spec = spec_of("RayCluster")
    claim = shared()["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for template in (spec["headGroupSpec"]["template"], spec["workerGroupSpecs"][0]["template"]):
        (volume,) = template["spec"]["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        (container,) = template["spec"]["containers"]
        assert container["volumeMounts"] == [{"name": volume["name"], "mountPath": "/shared"}]


def test_the_job_ends_what_it_began_and_keeps_what_it_found() -> None:
    spec = manifest("rayjob.yaml")["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["activeDeadlineSeconds"] > 0
    options = dict(re.findall(r"--([\w-]+) (\S+)", spec["entrypoint"]))
    assert options["history"].startswith("s3://")
    assert options["storage"].startswith("s3://")
    assert options["out"].startswith("/shared/")
    assert "resume" in options, "another attempt goes on"
    assert set(yaml.safe_load(spec["runtimeEnvYAML"])) == {"working_dir", "env_vars"}


def test_the_entry_point_has_options_that_there_are() -> None:
    from raysel.cli import main

    known = {name for parameter in main.commands["select"].params for name in parameter.opts}
    entry = manifest("rayjob.yaml")["spec"]["entrypoint"]
    assert entry.startswith("python -m raysel select ")
    assert set(re.findall(r"--[\w-]+", entry)) <= known
