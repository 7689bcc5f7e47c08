"""Small models put where their libraries would have downloaded them: the hub's cache, and torch's."""

import hashlib
import http.server
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import nn

from tests.models.conftest import CLASSES, ENCODER, Library, TextFamily

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TEXTS = TextFamily("roberta", {**ENCODER, "pad_token_id": 0})


def into_hub(hub: Path, repository: str, folder: Path) -> None:
    """Lay a folder into a cache of huggingface_hub as it does: blobs, a snapshot of links, and the branch."""
    place = hub / f"models--{repository.replace('/', '--')}"
    (place / "blobs").mkdir(parents=True)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    snapshot = place / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    for file in folder.iterdir():
        blob = place / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)


def into_torch(home: Path, model: str, state: dict[str, torch.Tensor]) -> Path:
    """Save a state dict where torchvision looks for a model's default weights."""
    from torchvision import models

    file = home / "hub" / "checkpoints" / Path(urlparse(models.get_model_weights(model).DEFAULT.url).path).name
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, file)
    return file


@dataclass(frozen=True)
class Caches:
    """Where the hub's and torch's caches are, and room to make models."""

    hub: Path
    torch: Path
    room: Path


def timm_classifier(caches: Caches) -> nn.Module:
    import timm

    module = timm.create_model("test_vit2", num_classes=1000)
    timm.models.save_for_hf(module, caches.room / "timm", safe_serialization=True)
    into_hub(caches.hub, "timm/test_vit2.r160_in1k", caches.room / "timm")
    return module


def torchvision_classifier(caches: Caches) -> nn.Module:
    from torchvision import models

    module = models.shufflenet_v2_x0_5()
    into_torch(caches.torch, "shufflenet_v2_x0_5", module.state_dict())
    return module


def hub_images(caches: Caches) -> nn.Module:
    import transformers

    config = transformers.ViTConfig(
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        image_size=32,
        patch_size=8,
        num_labels=CLASSES,
    )
    module = transformers.ViTForImageClassification(config)
    module.save_pretrained(caches.room / "vit", max_shard_size="5KB")  # several files of weights
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(caches.room / "vit")
    assert not (caches.room / "vit" / "model.safetensors").exists()
    into_hub(caches.hub, "org/vit", caches.room / "vit")
    return module


def hub_texts(caches: Caches) -> nn.Module:
    module = TEXTS.make(caches.room / "texts")
    into_hub(caches.hub, "org/texts", caches.room / "texts")
    return module


def hub_timm(caches: Caches) -> nn.Module:
    library = Library("timm", *_timm())
    module = library.make(caches.room / "hub-timm")
    into_hub(caches.hub, "org/timm", caches.room / "hub-timm")
    return module


def _timm() -> tuple[Callable[[Path], nn.Module], Callable[[Path], nn.Module], int]:
    from tests.models.conftest import LIBRARIES

    found = next(library for library in LIBRARIES if library.name == "timm")
    assert isinstance(found, Library)
    return found.make, found.read, found.side


PLACES: dict[str, Callable[[Caches], nn.Module]] = {
    "timm/test_vit2.r160_in1k": timm_classifier,
    "timm/test_vit2": timm_classifier,
    "torchvision/shufflenet_v2_x0_5": torchvision_classifier,
    "hf/org/vit": hub_images,
    "hf/org/texts": hub_texts,
    "hf/org/timm": hub_timm,
}
"""What a name stands for, made by its library alone."""


@contextmanager
def serve(
    hub: dict[str, Path], *, refuse: tuple[int, str] | None = None, resets: dict[str, int] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers as the hub does for the repositories in `hub`; its address, and the files it gave.

    Args:
        hub: By the name of a repository, the folder of its files.
        refuse: The status, and the hub's error code, that every request is answered with instead.
        resets: By what the end of a path is, how many connections that get it are reset half-way through the answer.
    """
    given: list[str] = []
    resets = dict(resets or {})

    class Hub(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if refuse is not None:
                self.answer(refuse[0], b"{}", {"X-Error-Code": refuse[1]})
                return
            path = urlparse(self.path).path.strip("/")
            for repository, folder in hub.items():
                if path in (f"api/models/{repository}", f"api/models/{repository}/revision/main"):
                    self.answer(200, json.dumps({"id": repository, "sha": COMMIT, "siblings": []}).encode())
                elif path.startswith(f"api/models/{repository}/tree"):
                    files = [
                        {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": _oid(file)}
                        for file in folder.iterdir()
                    ]
                    self.answer(200, json.dumps(files).encode())
                elif path.startswith(f"{repository}/resolve/{COMMIT}/"):
                    file = folder / path.rpartition("/")[2]
                    if self.command == "GET":
                        given.append(file.name)
                    self.answer(200, file.read_bytes(), {"X-Repo-Commit": COMMIT, "ETag": f'"{_oid(file)}"'})
                else:
                    continue
                return
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET  # noqa: N815  (as http.server calls it)

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            told = self.path if self.command == "GET" else ""
            end = next((end for end, left in resets.items() if left and urlparse(told).path.endswith(end)), None)
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body if end is None else body[: len(body) // 2])
            if end is not None:
                resets[end] -= 1
                # Closed without lingering, a connection is not ended but reset.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", given
        finally:
            server.shutdown()
            thread.join()


def _oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()
