"""Weights of the 3D ResNet-18: found on this machine, checked, loaded; never downloaded."""

from __future__ import annotations

import hashlib
import os
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from mvi_ray.errors import WeightsError

if TYPE_CHECKING:
    from mvi_ray.extract.resnet import ResNet18_3D

KINETICS = "kinetics400"
RANDOM = "random"

KINETICS_SHA256 = "b3b3357e"
"""First eight hexadecimal digits of the digest: torchvision's file name carries them."""

KINETICS_FILE = "r3d_18-b3b3357e.pth"
KINETICS_URL = "https://download.pytorch.org/models/r3d_18-b3b3357e.pth"

SEED = 0
"""Seed of random weights."""

_TRIAL = "for a trial set `weights: random`, which every result then says"


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Which weights a network gets.

    Args:
        kind: ``kinetics400`` (published), ``random`` (seeded) or ``file`` (the user's own).
        path: the file, None for random weights.
        identity: SHA-256 (hex) of the whole file, or ``random-seed-0``. It stands in the
            feature set; the path does not.
    """

    kind: Literal["kinetics400", "random", "file"]
    path: Path | None
    identity: str

    @property
    def trial(self) -> bool:
        """Whether the weights were never trained: results are for trials only."""
        return self.kind == RANDOM


def cached_file() -> Path:
    """Where torch's hub keeps the Kinetics-400 file, by torch's rules, whether it exists or not.

    ``$TORCH_HOME``, else ``$XDG_CACHE_HOME/torch``, else ``~/.cache/torch``, and below it
    ``hub/checkpoints``.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", Path(cache, "torch"))).expanduser()
    return home / "hub" / "checkpoints" / KINETICS_FILE


def resolve(setting: str, file: Path | None = None) -> WeightsSource:
    """Find the weights that a study names, and identify them. Does not import torch.

    Args:
        setting: ``kinetics400``, ``random`` or the path of a file (``families.dlr.weights``).
        file: where the file lies on this machine; goes before torch's cache and before the
            path in `setting`.

    Raises:
        WeightsError: there is no such file, or it is not the published one.
    """
    if setting == RANDOM:
        if file is not None:
            raise WeightsError(
                f"`weights: random` takes no file, got {file}; leave the file out, "
                f"or set weights to {KINETICS} or to the path"
            )
        return WeightsSource("random", None, f"random-seed-{SEED}")
    if setting != KINETICS:
        path = (Path(setting) if file is None else file).expanduser()
        if not path.is_file():
            raise WeightsError(
                f"no file of weights at {path}; weights is {KINETICS}, {RANDOM} or the path of a file"
            )
        return WeightsSource("file", path, _file_digest(path))
    path = cached_file() if file is None else file.expanduser()
    if not path.is_file():
        raise WeightsError(
            f"the Kinetics-400 weights {KINETICS_FILE} are not at {path}; download {KINETICS_URL} "
            f"(its SHA-256 begins with {KINETICS_SHA256}, as the name says) where there is internet "
            f"and put it there, or {_TRIAL}"
        )
    digest = _file_digest(path)
    if not digest.startswith(KINETICS_SHA256):
        raise WeightsError(
            f"{path} is not the published file: its SHA-256 begins with {digest[:8]}, "
            f"{KINETICS_FILE} with {KINETICS_SHA256}; download {KINETICS_URL} again, "
            f"or name your own weights by their path"
        )
    return WeightsSource("kinetics400", path, digest)


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}; check that you may read it") from None


def load_network(source: WeightsSource) -> ResNet18_3D:
    """The network with these weights, float32 on the CPU, in evaluation mode.

    A file of the user's own may have been trained with any number of classes; without a
    fully connected layer the network's output is its embedding.

    Raises:
        WeightsError: the file changed since it was found, is no state dict, or belongs to
            another network.
    """
    network = _random_network() if source.path is None else _file_network(source, source.path)
    return network.eval().requires_grad_(requires_grad=False)


def _empty_network(classes: int) -> ResNet18_3D:
    """A network whose memory is not filled yet: every value is written afterwards."""
    import torch

    from mvi_ray.extract.resnet import ResNet18_3D

    with torch.device("meta"):
        network = ResNet18_3D(classes)
    return network.to_empty(device="cpu")


def _random_network() -> ResNet18_3D:
    """Weights drawn as torchvision initialises ``r3d_18``, from a generator of their own."""
    import torch
    from torch import nn

    from mvi_ray.extract.resnet import CLASSES

    network = _empty_network(CLASSES)
    generator = torch.Generator().manual_seed(SEED)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.BatchNorm3d):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.01, generator=generator)
            nn.init.zeros_(module.bias)
    return network


def _file_network(source: WeightsSource, path: Path) -> ResNet18_3D:
    from torch import nn

    from mvi_ray.extract.resnet import CLASSES

    try:
        # One open file for digest and reading: what was checked is what is loaded.
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != source.identity:
                raise WeightsError(f"{path} changed while it was in use; run the command again")
            stream.seek(0)
            state = _read_state(stream, path)
    except OSError as error:
        raise WeightsError(
            f"{path} cannot be read: {error.strerror}; it must lie there on every machine"
        ) from None

    own = source.kind == "file"
    head = state.get("fc.weight")
    classes = len(head) if own and head is not None and head.ndim == 2 else CLASSES
    network = _empty_network(classes)
    if own and not any(name.startswith("fc.") for name in state):
        network.fc = nn.Identity()
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        faults = [textwrap.shorten(line, 160) for line in str(error).splitlines()[1:4]]
        raise WeightsError(
            f"{path} does not fit the 3D ResNet-18: {' '.join(faults)}; "
            f"names and shapes must be those of torchvision's r3d_18, only fc may differ"
        ) from None
    if not all(bool(value.isfinite().all()) for value in network.state_dict().values()):
        raise WeightsError(f"{path} holds values that are not finite; train the network again")
    return network


def _read_state(stream: BinaryIO, path: Path) -> dict[str, Any]:
    """A state dict: names to tensors, read without executing anything from the file."""
    import torch

    try:
        state = torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a file of another kind fails in countless ways
        raise WeightsError(
            f"{path} cannot be read as weights ({type(error).__name__}); "
            f"save a plain state dict: torch.save(network.state_dict(), path)"
        ) from None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise WeightsError(
            f"{path} is no state dict (names to tensors); "
            f"save a plain one: torch.save(network.state_dict(), path)"
        )
    return state
