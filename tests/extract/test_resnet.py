"""The network against the published architecture."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own custom

from mvi_ray.extract.resnet import EMBEDDING, BasicBlock, ResNet18_3D

# Names and shapes of torchvision's r3d_18 (R3D-18 of arXiv:1711.11248, Table 1): each
# convolution with the normalisation that follows it, in the order of the state dict.
CONVOLUTIONS = (
    ("stem.0", (64, 3, 3, 7, 7), "stem.1"),
    ("layer1.0.conv1.0", (64, 64, 3, 3, 3), "layer1.0.conv1.1"),
    ("layer1.0.conv2.0", (64, 64, 3, 3, 3), "layer1.0.conv2.1"),
    ("layer1.1.conv1.0", (64, 64, 3, 3, 3), "layer1.1.conv1.1"),
    ("layer1.1.conv2.0", (64, 64, 3, 3, 3), "layer1.1.conv2.1"),
    ("layer2.0.conv1.0", (128, 64, 3, 3, 3), "layer2.0.conv1.1"),
    ("layer2.0.conv2.0", (128, 128, 3, 3, 3), "layer2.0.conv2.1"),
    ("layer2.0.downsample.0", (128, 64, 1, 1, 1), "layer2.0.downsample.1"),
    ("layer2.1.conv1.0", (128, 128, 3, 3, 3), "layer2.1.conv1.1"),
    ("layer2.1.conv2.0", (128, 128, 3, 3, 3), "layer2.1.conv2.1"),
    ("layer3.0.conv1.0", (256, 128, 3, 3, 3), "layer3.0.conv1.1"),
    ("layer3.0.conv2.0", (256, 256, 3, 3, 3), "layer3.0.conv2.1"),
    ("layer3.0.downsample.0", (256, 128, 1, 1, 1), "layer3.0.downsample.1"),
    ("layer3.1.conv1.0", (256, 256, 3, 3, 3), "layer3.1.conv1.1"),
    ("layer3.1.conv2.0", (256, 256, 3, 3, 3), "layer3.1.conv2.1"),
    ("layer4.0.conv1.0", (512, 256, 3, 3, 3), "layer4.0.conv1.1"),
    ("layer4.0.conv2.0", (512, 512, 3, 3, 3), "layer4.0.conv2.1"),
    ("layer4.0.downsample.0", (512, 256, 1, 1, 1), "layer4.0.downsample.1"),
    ("layer4.1.conv1.0", (512, 512, 3, 3, 3), "layer4.1.conv1.1"),
    ("layer4.1.conv2.0", (512, 512, 3, 3, 3), "layer4.1.conv2.1"),
)
NORMALISATION = ("weight", "bias", "running_mean", "running_var")


def golden_state() -> list[tuple[str, tuple[int, ...]]]:
    """Every name of the published state dict with its shape."""
    state: list[tuple[str, tuple[int, ...]]] = []
    for convolution, shape, norm in CONVOLUTIONS:
        state.append((f"{convolution}.weight", shape))
        state.extend((f"{norm}.{part}", (shape[0],)) for part in NORMALISATION)
        state.append((f"{norm}.num_batches_tracked", ()))
    return [*state, ("fc.weight", (400, 512)), ("fc.bias", (400,))]


@pytest.fixture(scope="module")
def network() -> ResNet18_3D:
    """A network with weights and running statistics that are not the neutral ones."""
    torch.manual_seed(0)
    network = ResNet18_3D().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network


def test_state_dict_has_the_published_names_and_shapes_in_order(network):
    """A file of torchvision's r3d_18 loads without renaming anything."""
    assert [(name, tuple(value.shape)) for name, value in network.state_dict().items()] == golden_state()


def test_parameters_count_as_torchvision_publishes_them(network):
    """33,371,472 parameters with 400 classes (torchvision's table of video models)."""
    assert sum(p.numel() for p in network.parameters()) == 33_371_472


def test_stages_have_the_published_sizes(network):
    """The stem halves y and x only; layers 2 to 4 halve all three axes."""
    seen = {}
    handles = [
        stage.register_forward_hook(
            lambda _module, _inputs, out, name=name: seen.update({name: tuple(out.shape[1:])})
        )
        for name, stage in network.named_children()
    ]
    with torch.inference_mode():
        out = network(torch.zeros(1, 3, 16, 32, 32))
    for handle in handles:
        handle.remove()
    assert seen == {
        "stem": (64, 16, 16, 16),
        "layer1": (64, 16, 16, 16),
        "layer2": (128, 8, 8, 8),
        "layer3": (256, 4, 4, 4),
        "layer4": (512, 2, 2, 2),
        "avgpool": (512, 1, 1, 1),
        "fc": (400,),
    }
    assert out.shape == (1, 400)


def published_embedding(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The architecture written a second time, on bare functions and names of the state dict."""
    norms = {convolution: norm for convolution, _, norm in CONVOLUTIONS}

    def unit(x: torch.Tensor, name: str, stride: int | tuple[int, ...], padding: int | tuple[int, ...]):
        x = F.conv3d(x, state[f"{name}.weight"], stride=stride, padding=padding)
        norm = norms[name]
        mean, var, weight, bias = (
            state[f"{norm}.{part}"].reshape(1, -1, 1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    x = F.relu(unit(x, "stem.0", (1, 2, 2), (1, 3, 3)))
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            at = f"layer{layer}.{block}"
            stride = 2 if layer > 1 and block == 0 else 1
            shortcut = unit(x, f"{at}.downsample.0", 2, 0) if stride == 2 else x
            inner = F.relu(unit(x, f"{at}.conv1.0", stride, 1))
            x = F.relu(unit(inner, f"{at}.conv2.0", 1, 1) + shortcut)
    return x.mean(dim=(2, 3, 4))


def test_embedding_follows_the_published_architecture(network):
    """Convolutions, normalisation, shortcuts and the average, against bare functions."""
    x = torch.rand(2, 3, 9, 17, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        found = network.embed(x)
        expected = published_embedding(network.state_dict(), x)
    assert found.shape == (2, EMBEDDING)
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_output_is_the_last_layer_on_the_embedding(network):
    """`forward` adds only the fully connected layer to `embed`."""
    x = torch.rand(1, 3, 16, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected = F.linear(network.embed(x), network.fc.weight, network.fc.bias)
        torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(4, 4, 1), (4, 8, 2), (4, 8, 1), (4, 4, 2)])
def test_block_projects_its_shortcut_only_when_shapes_differ(inputs, outputs, stride):
    """The shortcut is the identity where it can be."""
    block = BasicBlock(inputs, outputs, stride).eval()
    assert (block.downsample is None) == (inputs == outputs and stride == 1)
    assert block(torch.zeros(1, inputs, 8, 8, 8)).shape == (1, outputs, *(8 // stride,) * 3)
