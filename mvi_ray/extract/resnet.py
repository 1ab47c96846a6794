"""The 3D ResNet-18 of Tran et al. (2018), under torchvision's names.

"A Closer Look at Spatiotemporal Convolutions for Action Recognition",
arXiv:1711.11248, network R3D-18. Parameters and buffers are named and shaped as in
torchvision's ``r3d_18``, so that its published weights load with ``strict=True``.

Tensors are ``(batch, channels, z, y, x)``; z stands where a video has its frames.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

EMBEDDING = 512
"""Values before the fully connected layer."""

CLASSES = 400
"""Classes of Kinetics-400."""


def _unit(inputs: int, outputs: int, stride: int, *, kernel: int = 3) -> list[nn.Module]:
    """A cubic convolution without bias that keeps the size at stride 1, and its normalisation."""
    return [
        nn.Conv3d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm3d(outputs),
    ]


class BasicBlock(nn.Module):
    """Two 3 × 3 × 3 convolutions and a shortcut around them.

    Args:
        inputs: channels in.
        outputs: channels out.
        stride: of the first convolution and of the shortcut, along all three axes.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(*_unit(inputs, outputs, stride), nn.ReLU(inplace=True))
        self.conv2 = nn.Sequential(*_unit(outputs, outputs, 1))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            None
            if stride == 1 and inputs == outputs
            else nn.Sequential(*_unit(inputs, outputs, stride, kernel=1))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, inputs, z, y, x) to (n, outputs, z/stride, y/stride, x/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return cast("Tensor", self.relu(self.conv2(self.conv1(x)) + shortcut))


class ResNet18_3D(nn.Module):  # noqa: N801 - the network's own name
    """3D ResNet-18: stem, four stages of two blocks, average, fully connected layer.

    Args:
        classes: outputs of the fully connected layer.
    """

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 64, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, EMBEDDING, 2), BasicBlock(EMBEDDING, EMBEDDING, 1))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.fc: nn.Module = nn.Linear(EMBEDDING, classes)

    def embed(self, x: Tensor) -> Tensor:
        """Shape (n, 3, z, y, x) to the (n, 512) values before the fully connected layer."""
        for stage in (self.stem, self.layer1, self.layer2, self.layer3, self.layer4, self.avgpool):
            x = stage(x)
        return x.flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (n, 3, z, y, x) to (n, classes), before any softmax."""
        return cast("Tensor", self.fc(self.embed(x)))
