"""Models by name from timm, torchvision and the hub: real loading, from caches that the tests fill, and no network."""

import importlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from raysel import models, zoo
from raysel.errors import ModelError, OptionError, RayselError, UnknownNameError
from raysel.models import hub, places
from tests.models.caches import COMMIT, PLACES, TEXTS, Caches, into_hub, into_torch, serve
from tests.models.conftest import ENCODER, TextFamily


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caches:
    """Empty caches, and the hub switched off; its variables are read when huggingface_hub is imported."""
    found = Caches(tmp_path / "home" / "hub", tmp_path / "torch", tmp_path / "room")
    found.room.mkdir()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(found.hub))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("TORCH_HOME", str(found.torch))
    return found


@pytest.fixture(params=PLACES)
def name(request: pytest.FixtureRequest) -> str:
    """A name of each kind in turn."""
    found: str = request.param
    return found


def _inputs(bundle: models.ModelBundle) -> NDArray[np.generic]:
    if isinstance(bundle.transform, models.ImageTransform):
        return np.random.default_rng(0).integers(0, 256, (2, 3, *bundle.transform.size), dtype=np.uint8)
    return TEXTS.inputs


def _alone(module: nn.Module, bundle: models.ModelBundle, inputs: NDArray[np.generic]) -> NDArray[np.float32]:
    """What the library's own module answers."""
    with torch.no_grad():
        if isinstance(bundle.transform, models.TextTransform):
            return TEXTS.logits(module, inputs).numpy()
        answer = module.eval()(bundle.transform(inputs))
    return getattr(answer, "logits", answer).numpy()


def test_a_name_loads_what_the_library_would(name: str, caches: Caches) -> None:
    module = PLACES[name](caches)
    bundle = models.load(name)
    inputs = _inputs(bundle)
    np.testing.assert_allclose(bundle.predict(inputs), _alone(module, bundle, inputs), atol=1e-5)
    assert bundle.name == name
    assert bundle.parameters == sum(parameter.numel() for parameter in module.parameters())


def test_a_fresh_head_goes_to_disk_and_back(name: str, caches: Caches, tmp_path: Path) -> None:
    PLACES[name](caches)
    bundle = models.load(name, outputs=3)
    assert bundle.outputs == 3
    bundle.save(tmp_path / "saved")
    inputs = _inputs(bundle)
    again = models.load(f"file:{tmp_path / 'saved'}")
    np.testing.assert_allclose(again.predict(inputs), bundle.predict(inputs), atol=1e-5)
    assert again.transform.__class__ is bundle.transform.__class__
    if isinstance(bundle.transform, models.ImageTransform):
        assert again.transform == bundle.transform


def test_the_revision_is_the_commit_where_there_is_one(name: str, caches: Caches) -> None:
    PLACES[name](caches)
    found = models.revision(name)
    if not name.startswith("torchvision/"):
        assert found == COMMIT
        return
    assert len(found) == 8
    weights = models.checkpoint_of(name).weights
    state = torch.load(weights, weights_only=True)
    torch.save({**state, "fc.bias": state["fc.bias"] + 1}, weights)
    assert models.revision(name) != found


def test_the_revision_that_is_installed_is_told_without_asking_anybody(name: str, caches: Caches) -> None:
    assert models.installed_revision(name) == ""
    PLACES[name](caches)
    known = "" if name.startswith("torchvision/") else COMMIT
    assert models.installed_revision(name) == known
    for weights in caches.hub.rglob("model.safetensors"):
        weights.unlink()  # the configuration alone, as when models are screened
    assert models.installed_revision(name) == known


def test_the_transform_is_the_one_that_was_trained_with(caches: Caches) -> None:
    PLACES["torchvision/shufflenet_v2_x0_5"](caches)
    PLACES["timm/test_vit2"](caches)
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert models.load("torchvision/shufflenet_v2_x0_5").transform == models.ImageTransform((224, 224), *imagenet)
    assert models.load("timm/test_vit2").transform == models.ImageTransform((160, 160), (0.5,) * 3, (0.5,) * 3)


@pytest.mark.parametrize("name", [*PLACES, "timm/resnet18"])
def test_what_no_cache_holds_is_one_clear_line(name: str, caches: Caches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    started = time.monotonic()
    with pytest.raises(ModelError) as caught:
        models.load(name)
    assert time.monotonic() - started < 20
    line = str(caught.value)
    assert line.startswith(f"model {name} is not in the cache")
    assert "\n" not in line
    assert ("put the file at" if name.startswith("torchvision/") else "hf download") in line
    assert not list(caches.torch.rglob("*.partial"))


def test_the_environment_alone_decides(tmp_path: Path) -> None:
    caches = Caches(tmp_path / "hub", tmp_path / "torch", tmp_path / "room")
    caches.room.mkdir()
    names = ["timm/test_vit2.r160_in1k", "torchvision/shufflenet_v2_x0_5", "hf/org/texts"]
    for name in names:
        PLACES[name](caches)
    program = f"""
from raysel.errors import ModelError
from raysel.models import load
for name in {names}: print(load(name, outputs=2).outputs)
try: load("hf/org/other")
except ModelError as error: print(error)
"""
    said = _run(program, HF_HOME=str(tmp_path), TORCH_HOME=str(caches.torch), HF_HUB_OFFLINE="1")
    assert said == [
        *["2"] * 3,
        "model hf/org/other is not in the cache, and HF_HUB_OFFLINE is set: "
        "run `hf download org/other` where there is a network",
    ]


def _run(program: str, **environment: str) -> list[str]:
    """The lines that a program prints under an environment, which huggingface_hub reads when it is imported."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.fixture
def online(caches: Caches, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


def test_what_the_hub_has_is_downloaded_once_and_without_code(caches: Caches) -> None:
    folder = caches.room / "texts"
    module = TEXTS.make(folder)
    (folder / "modeling_own.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    program = """
from raysel.models import load
for _ in range(2): load("hf/org/texts")
"""
    with serve({"org/texts": folder}) as (address, given):
        environment = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}
        _run(program, HF_ENDPOINT=address, HF_HOME=str(caches.hub.parent), **environment)
    assert sorted(given) == sorted({"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
    bundle = models.load("hf/org/texts")  # without the server
    np.testing.assert_allclose(bundle.predict(TEXTS.inputs), TEXTS.logits(module, TEXTS.inputs), atol=1e-5)
    assert models.revision("hf/org/texts") == COMMIT


@pytest.mark.parametrize(
    ("refuse", "says"),
    [
        ((404, "RepoNotFound"), r"is not at http://127.0.0.1:\d+/org/net, or is private"),
        ((403, "GatedRepo"), "is gated: ask for access at .*/org/net and set HF_TOKEN"),
    ],
)
def test_what_the_hub_refuses(online: pytest.MonkeyPatch, refuse: tuple[int, str], says: str) -> None:
    with serve({}, refuse=refuse) as (address, _):
        online.setattr(constants, "ENDPOINT", address)
        with pytest.raises(ModelError, match=f"^model hf/org/net {says}"):
            models.load("hf/org/net")


def test_a_hub_that_is_not_there(online: pytest.MonkeyPatch) -> None:
    online.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(ModelError, match=r"^model hf/org/net is not in the cache, and http://127.0.0.1:9 cannot be"):
        models.load("hf/org/net")
    assert time.monotonic() - started < 20


def test_servers_that_never_answer(online: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (hub, places):
        online.setattr(module, "_PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        online.setattr(constants, "ENDPOINT", address)
        started = time.monotonic()
        with pytest.raises(ModelError, match=f"and {address} cannot be reached"):
            models.load("hf/org/net")
        with pytest.raises(ModelError, match=r"cannot be had .*timed out"):
            places._download("net", f"{address}/net.pth", tmp_path / "net.pth")
        assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("hf/", OptionError, "hf/ORG/NAME"),
        ("hf/a/b/c", OptionError, "hf/ORG/NAME"),
        ("timm/test_vit22", UnknownNameError, "did you mean timm/test_vit2"),
        ("torchvision/resnet19", UnknownNameError, "did you mean torchvision/resnet1"),
        ("torchvision/fcn_resnet50", UnknownNameError, "no model is named"),
    ],
)
def test_names_that_cannot_be(caches: Caches, name: str, error: type[RayselError], says: str) -> None:
    with pytest.raises(error, match=says):
        models.load(name)


def test_pickled_weights_are_refused(caches: Caches) -> None:
    TEXTS.make(caches.room / "m")
    (caches.room / "m" / "model.safetensors").rename(caches.room / "m" / "pytorch_model.bin")
    into_hub(caches.hub, "org/m", caches.room / "m")
    with pytest.raises(ModelError, match=r"model hf/org/m .* pickled weights \(\*.bin\) are not read"):
        models.load("hf/org/m")
    with pytest.raises(OptionError, match=r"pickled"):
        models.load(f"file:{caches.room / 'm'}")


@pytest.mark.parametrize(("kind", "loads"), [("roberta", True), ("own", False)])
def test_code_beside_a_checkpoint_never_runs(caches: Caches, kind: str, loads: bool) -> None:
    folder = caches.room / "m"
    TEXTS.make(folder)
    config = json.loads((folder / "config.json").read_text())
    names = {f"Auto{what}": "own.Own" for what in ("Config", "Model", "ModelForSequenceClassification")}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": kind, "auto_map": names}))
    (folder / "own.py").write_text("raise SystemExit")
    if kind == "own":
        config["architectures"] = ["Own"]
        (folder / "config.json").write_text(json.dumps({**config, "model_type": kind, "auto_map": names}))
    into_hub(caches.hub, "org/m", folder)
    if loads:  # a type that transformers has is made by its own code
        assert models.load("hf/org/m").outputs == 7
        return
    for look in (models.describe, models.load):
        with pytest.raises(OptionError, match="`model_type` is 'own'"):
            look("hf/org/m")


class Code:
    """Unpickled, it would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("false",)


def test_code_in_weights_of_torchvision_never_runs(caches: Caches) -> None:
    into_torch(caches.torch, "shufflenet_v2_x0_5", {"fc.bias": Code()})  # type: ignore[dict-item]
    with pytest.raises(OptionError, match="torchvision/shufflenet_v2_x0_5"):
        models.load("torchvision/shufflenet_v2_x0_5")


def test_a_download_that_was_cut_is_not_kept(tmp_path: Path) -> None:
    whole, target = tmp_path / "net.pth", tmp_path / "cache" / "net-5891b5b5.pth"  # the SHA-256 of "hello\n"
    whole.write_text("hell")
    with pytest.raises(ModelError, match="model net was not downloaded whole"):
        places._download("net", whole.as_uri(), target)
    assert not list(target.parent.iterdir())
    whole.write_text("hello\n")
    places._download("net", whole.as_uri(), target)
    assert [file.name for file in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("model", ["googlenet", "densenet121"])
def test_weights_that_torchvision_published_long_ago(caches: Caches, model: str) -> None:
    from torchvision import models as library

    arguments = {"init_weights": False, "transform_input": True} if model == "googlenet" else {}
    module = library.get_model(model, **arguments)
    state = module.state_dict()  # with GoogLeNet's heads of training
    for key in [key for key in state if "denselayer" in key]:
        old = key.replace("norm1", "norm.1").replace("norm2", "norm.2")
        state[old.replace("conv1", "conv.1").replace("conv2", "conv.2")] = state.pop(key)
    into_torch(caches.torch, model, state)
    bundle = models.load(f"torchvision/{model}")
    inputs = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8)
    np.testing.assert_allclose(bundle.predict(inputs), _alone(module, bundle, inputs), atol=1e-4)


# Checkpoints that end before the head.


def _body(caches: Caches, family: TextFamily, lost: str = "") -> str:
    """A language model's checkpoint, without a classifier and perhaps without something more."""
    folder = caches.room / "body"
    family.make(folder)
    weights = load_file(folder / "model.safetensors")
    prefix = {"gpt2": "transformer.", "xlnet": "transformer."}.get(family.family, f"{family.family}.")
    kept = {key: value for key, value in weights.items() if key.startswith(prefix) and not (lost and lost in key)}
    assert len(kept) < len(weights)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    into_hub(caches.hub, "org/body", folder)
    return "hf/org/body"


TEXT_BODIES = (
    TextFamily("bert", {**ENCODER, "pad_token_id": 0}),
    TEXTS,
    TextFamily("gpt2", {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 34, "eos_token_id": 2}, special=False),
)


@pytest.mark.parametrize("family", TEXT_BODIES, ids=lambda family: family.family)
def test_a_body_is_given_a_head(caches: Caches, family: TextFamily) -> None:
    name = _body(caches, family)
    with pytest.raises(OptionError, match=r"head of its own, or be given a fresh one by `outputs`"):
        models.load(name)
    first, same, other = (models.load(name, outputs=3, seed=seed).predict(family.inputs) for seed in (0, 0, 1))
    assert first.shape == (9, 3)
    np.testing.assert_allclose(first, same, atol=1e-6)
    assert np.abs(first - other).max() > 1e-4
    found = models.extract(name, family.inputs)
    assert found.probabilities is None
    assert found.features.shape == (9, 8)


def test_a_body_without_its_pooler_is_given_one(caches: Caches) -> None:
    assert models.load(_body(caches, TEXT_BODIES[0], "pooler"), outputs=3).outputs == 3


def test_a_body_that_lacks_a_layer_is_refused(caches: Caches) -> None:
    name = _body(caches, TEXT_BODIES[0], "encoder.layer.1.output.dense.weight")
    with pytest.raises(OptionError, match=r"no weights for bert.encoder.layer.1.output.dense.weight"):
        models.load(name, outputs=3)


def test_a_body_of_images_is_given_a_head(caches: Caches) -> None:
    import timm
    import transformers

    module = timm.create_model("convnextv2_atto", num_classes=0)
    timm.models.save_for_hf(module, caches.room / "timm", safe_serialization=True)
    into_hub(caches.hub, "timm/convnextv2_atto.fcmae", caches.room / "timm")
    arguments = {**ENCODER, "image_size": 32, "patch_size": 8}
    arguments.pop("max_position_embeddings")
    transformers.Dinov2Model(transformers.Dinov2Config(**arguments)).save_pretrained(caches.room / "dino")
    processor = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}
    processor |= {"image_mean": [0.1] * 3, "image_std": [0.2] * 3}
    (caches.room / "dino" / "preprocessor_config.json").write_text(json.dumps(processor))
    into_hub(caches.hub, "org/dino", caches.room / "dino")
    for name, side in {"timm/convnextv2_atto.fcmae": 224, "hf/org/dino": 32}.items():
        with pytest.raises(OptionError, match="head of its own"):
            models.load(name)
        bundle = models.load(name, outputs=3)
        assert bundle.transform.size == (side, side)  # type: ignore[union-attr]
        inputs = np.zeros((2, 3, 32, 32), np.uint8)
        assert bundle.predict(inputs).shape == (2, 3)
        assert models.extract(name, inputs).probabilities is None


# Names, globs and files.


def test_globs_and_files_of_names(tmp_path: Path) -> None:
    listed = tmp_path / "models.txt"
    listed.write_text("# ours\ntorchvision/resnet18  # small\n\nzoo/latin-v*\nhf/org/any\nfile:/data/[x]\n")
    assert models.expand([str(listed), "torchvision/resnet[13]*", "timm/resnet18", "zoo/latin-vit"]) == (
        "torchvision/resnet18",
        "zoo/latin-vit",
        "hf/org/any",
        "file:/data/[x]",
        "torchvision/resnet101",
        "torchvision/resnet152",
        "torchvision/resnet34",
        "timm/resnet18",
    )
    assert models.expand(["zoo/*"]) == zoo.models("images") + zoo.models("texts")
    assert {"timm/convnext_tiny.fb_in1k", "timm/convnext_base.fb_in22k"} <= set(models.expand(["timm/convnext_*"]))


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("torchvision/resnet19", "did you mean torchvision/resnet1"),
        ("timm/convnext_tinyy.fb_in1k", "did you mean timm/convnext_tiny.fb_in1k"),
        ("torchvision/nothing*", "no model is named 'torchvision/nothing"),
        ("hf/org/*", "no model is named 'hf/org/"),
        ("resnet18", "zoo/..., timm/..., torchvision/..., hf/..., file:..."),
    ],
)
def test_patterns_that_stand_for_nothing(pattern: str, says: str) -> None:
    with pytest.raises(UnknownNameError, match=says.replace("*", r"\*")):
        models.expand(["zoo/latin-vit", pattern])


def test_a_family_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "ours-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[raysel.models]\nteam = ours:FAMILY\nbare = ours:locate\n")
    (tmp_path / "ours.py").write_text(
        "from raysel import zoo\nfrom raysel.models import Family\n"
        "def locate(rest): return zoo.checkpoint_path(f'zoo/latin-{rest}')\n"
        "FAMILY = Family(locate, lambda: ['vit', 'resnet'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert models.load("team/vit").name == "team/vit"
    assert models.load("bare/vit").name == "bare/vit"
    assert models.expand(["team/*"]) == ("team/vit", "team/resnet")
    with pytest.raises(UnknownNameError, match=r"team/\.\.\."):
        models.load("teem/vit")
