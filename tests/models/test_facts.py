"""What is known of models without their weights."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from raysel.errors import OptionError, RayselError
from raysel.history import History
from raysel.models import Tokens, describe, forward_flops, installed_revision, load, record, revised, screened
from tests.models.conftest import LIBRARIES, TextFamily


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: getattr(library, "family", library.name))
def test_facts_are_those_of_the_loaded_model(library, tmp_path: Path) -> None:
    library.make(tmp_path / "m")
    name = f"file:{tmp_path / 'm'}"
    facts, bundle = describe(name), load(name)
    assert facts.parameters == bundle.parameters
    assert facts.modality == ("texts" if isinstance(library, TextFamily) else "images")
    assert facts.library == bundle.adapter.library
    assert facts.licence is None
    family = getattr(library, "family", {"timm": "vision_transformer", "torchvision": "densenet"}.get(library.name))
    assert facts.family == (family or "resnet")


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: getattr(library, "family", library.name))
def test_operations_are_those_of_a_real_pass(library, tmp_path: Path) -> None:
    library.make(tmp_path / "m")
    name = f"file:{tmp_path / 'm'}"
    bundle, tokens = load(name), 10
    side = {"timm": 16, "torchvision": 32}.get(library.name, 224)
    batch = torch.zeros(1, 3, side, side)
    if isinstance(library, TextFamily):
        batch = Tokens({"input_ids": torch.ones(1, tokens, dtype=torch.long)})
    # PyTorch does not count the processor's fused attention.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        bundle.module.eval()
        bundle.logits(batch)
    counted = forward_flops(name, tokens=tokens)
    if getattr(library, "family", None) == "xlnet":  # makes tensors on the processor as it goes
        assert counted is None
    else:
        assert counted == counter.get_total_flops() > 0


def test_operations_of_known_models() -> None:
    # 1.81 thousand million multiplications with an addition each, as the paper and torchvision count them.
    assert forward_flops("torchvision/resnet18") == pytest.approx(2 * 1.81e9, rel=0.01)
    assert forward_flops("timm/resnet18.a1_in1k") == forward_flops("torchvision/resnet18")
    longer, shorter = (forward_flops("zoo/topics-bert", tokens=tokens) for tokens in (64, 32))
    assert longer > 2 * shorter > 0
    with pytest.raises(OptionError, match="tokens"):
        forward_flops("zoo/topics-bert", tokens=0)


@pytest.mark.parametrize(
    ("card", "licence", "source", "text"),
    [
        (
            "---\nlicense: MIT\ndatasets:\n- imagenet-1k\n- org/own\n---\n# A model",
            "mit",
            "imagenet-1k, org/own",
            "# A model",
        ),
        ("---\ndatasets: glue\n---\nGood.\n", None, "glue", "Good."),
        ("# A model", None, "", "# A model"),
        ("---\nlicense: [a, b]\n---\n", None, "", ""),
        ("---\n: : :\n---\n", None, "", ""),
    ],
)
def test_licence_source_and_text_are_those_of_the_card(
    card: str, licence: str | None, source: str, text: str, tmp_path: Path
) -> None:
    LIBRARIES[0].make(tmp_path / "m")
    (tmp_path / "m" / "README.md").write_text(card)
    facts = describe(f"file:{tmp_path / 'm'}")
    assert (facts.licence, facts.source, facts.card) == (licence, source, text)


@pytest.mark.parametrize(
    ("name", "licence", "source"),
    [
        ("timm/resnet18.a1_in1k", "apache-2.0", "a1_in1k"),
        ("timm/resnet18", "apache-2.0", "a1_in1k"),
        ("torchvision/resnet18", None, "IMAGENET1K_V1"),
    ],
)
def test_no_weights_are_asked_for(name: str, licence: str | None, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    facts = describe(name)
    assert (facts.licence, facts.source) == (licence, source)
    assert facts.parameters == 11_689_512


def test_facts_are_filed_beside_what_is_known(tmp_path: Path) -> None:
    history = History.create(tmp_path / "history")
    known = {"model": "zoo/latin-vit", "source": "latin", "card": "Small.", "parameters": 7}
    history.append(models=pd.DataFrame([known]))
    facts = [describe(name) for name in ("zoo/latin-vit", "timm/resnet18.a1_in1k")]
    record(history, facts)
    rows = history.models().set_index("model")
    assert rows.loc["zoo/latin-vit"].tolist() == ["latin", "vision_transformer", facts[0].parameters, "", "Small."]
    assert rows.loc["timm/resnet18.a1_in1k"].tolist() == ["a1_in1k", "resnet", 11_689_512, "apache-2.0", ""]
    parts = history.parts()
    record(history, facts)
    record(history, [])
    assert history.parts() == parts, "what is there already is not filed again"


def test_a_model_that_was_uploaded_again(tmp_path: Path) -> None:
    LIBRARIES[0].make(tmp_path / "m")
    name, gone = f"file:{tmp_path / 'm'}", f"file:{tmp_path / 'gone'}"
    known = {name: installed_revision(name), gone: "0" * 8, "zoo/latin-vit": "", "hf/org/net": "1" * 40}
    history = History.create(tmp_path / "history")
    history.append(
        datasets=pd.DataFrame({"dataset": ["d"], "primary_metric": ["accuracy"], "mode": ["max"]}),
        runs=pd.DataFrame(
            {"run_id": [*known], "model": [*known], "revision": [*known.values()], "dataset": "d"}
            | {"status": "completed", "planned_steps": 1.0}
        ),
        observations=pd.DataFrame(
            {"run_id": [*known], "step": 1.0, "split": "val", "metric": "accuracy", "value": 0.5}
        ),
    )
    assert revised(history, known) is history, "it is the same, or nobody knows"
    settings = tmp_path / "m" / "config.json"
    settings.write_text(settings.read_text() + " ")
    assert installed_revision(name) != known[name]
    view = revised(history, known)
    assert view.again == {name}
    assert set(view.matrix().models) == {*known, f"{name}@{known[name]}"} - {name}
    assert revised(history, [gone]) is history, "it is not asked about"


MODELS = ["zoo/latin-vit", "zoo/latin-resnet", "zoo/topics-bert"]


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, MODELS),
        ({"modality": "images"}, MODELS[:2]),
        ({"modality": "texts"}, MODELS[2:]),
        ({"max_parameters": 1000}, []),
        ({"min_parameters": 1000}, MODELS),
        ({"min_parameters": 1e9}, []),
        ({"licences": ["mit"]}, []),
    ],
)
def test_screening(options: dict, kept: list[str]) -> None:
    found, dropped = screened(MODELS, **options)
    assert list(found) == kept
    assert [*found, *dropped] == [*kept, *(name for name in MODELS if name not in kept)]
    assert all(dropped.values())


def test_what_cannot_be_had_is_left_out_or_an_error() -> None:
    found, dropped = screened(["file:/nowhere", "zoo/latin-vit", "hf//"])
    assert list(found) == ["zoo/latin-vit"]
    assert "config.json" in dropped["file:/nowhere"]
    with pytest.raises(RayselError, match="nowhere"):
        screened(["file:/nowhere"], strict=True)
