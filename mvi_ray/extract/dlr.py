"""Family DLR: the 512 values of a 3D ResNet-18 before its last layer, for each VOI.

The reference study (DOI 10.1186/s12880-025-01646-9) replaced the last layer of the
Kinetics-400 network, trained it and took it off again. Read literally, that leaves the
features of Kinetics unchanged; they are what `kinetics400` gives. Weights that were
fine-tuned deeper come as a file.

Features are computed on the canonical grid: `cr.orientation` does not concern them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mvi_ray.errors import ExtractionError, GeometryError, StudyError, UsageError
from mvi_ray.extract.featureset import FeatureSet
from mvi_ray.extract.weights import WeightsSource, load_network
from mvi_ray.features import DLR_VALUES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from mvi_ray.study import DeepRadiomics, Study
    from mvi_ray.volume import Mask, Volume

TRANSFORM = "voi-box"
TRANSFORM_VERSION = 1
"""Raised whenever `prepare` or the normalisation in `Embedder` changes a value."""

KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
"""Of the three colour channels: torchvision's preset for its Kinetics-400 video networks."""


def dlr_feature_set(study: Study, source: WeightsSource, family: str = "DLR") -> FeatureSet:
    """What determines an embedding: preprocessing, transform, network and weights.

    Args:
        study: has the settings.
        source: weights of the family.
        family: DLR or a variant of it, which share what is the same.

    Raises:
        StudyError: the study does not compute this family.
    """
    settings = study.families.dlr_like.get(family)
    if settings is None:
        raise StudyError(f"the study has no family {family}; add families.{family.lower()}")
    return FeatureSet(
        family="DLR",
        image_type=None,
        settings={
            "preprocessing": study.preprocessing,
            "transform": {
                "name": TRANSFORM,
                "version": TRANSFORM_VERSION,
                "input_size": settings.input_size,
                "percentiles": list(settings.percentiles),
                "masked": settings.masked,
                "mean": list(KINETICS_MEAN),
                "std": list(KINETICS_STD),
            },
            "network": settings.network,
            "weights": source.identity,
        },
    )


def prepare(volume: Volume, mask: Mask, settings: DeepRadiomics) -> npt.NDArray[np.float32]:
    """One VOI as the network's input before normalisation, values from 0 to 1.

    The box around the VOI is cut out. The two percentiles of the intensities inside the VOI
    become 0 and 1, what lies beyond them is clipped; where they are equal (a constant VOI)
    the whole input is 0. With `masked`, voxels outside the VOI are set to 0, before resizing,
    so that the border of the VOI is interpolated towards 0. The box is then stretched to a
    cube by trilinear interpolation without aligned corners and without smoothing, as MONAI's
    ``Resized`` does it: the voxels' proportions are not kept.

    Args:
        volume: intensities of a phase.
        mask: the VOI on the same grid.
        settings: size, percentiles and masking.

    Returns:
        Shape (1, s, s, s), a channel and then [z, y, x].

    Raises:
        GeometryError: image and mask lie on different grids.
    """
    import torch
    from torch.nn.functional import interpolate

    difference = volume.geometry.difference(mask.geometry)
    if difference is not None:
        raise GeometryError(
            f"image and mask lie on different grids: {difference}; draw or resample the mask on the image"
        )
    if volume.reorientation is None:
        code = volume.geometry.orientation
        volume, mask = volume.to_canonical(code), mask.to_canonical(code)
    inside = mask.array[mask.box] == 1
    voxels = volume.array[mask.box].astype(np.float64)
    low, high = np.percentile(voxels[inside], settings.percentiles)
    scaled = np.zeros_like(voxels)
    if high > low:
        np.divide(np.clip(voxels, low, high) - low, high - low, out=scaled)
    if settings.masked:
        scaled *= inside
    box = torch.from_numpy(scaled.astype(np.float32))[None, None]
    cube = interpolate(box, size=(settings.input_size,) * 3, mode="trilinear", align_corners=False)
    return np.asarray(cube[0].numpy(), dtype=np.float32)


class Embedder:
    """A network on its device, ready for many VOIs.

    Every forward pass has the same shape: `width` VOIs, the missing ones zeros. Then the
    values of a VOI do not depend on which others it came with, nor on its place. Another
    width moves them by less than 1e-6 of the largest.

    On a CPU one VOI at a time is as fast as several (at 64 voxels a side, faster) and pads
    nothing; a GPU takes `settings.batch_size`. Where its memory does not hold so many, the
    width is halved, and stays so.

    Args:
        source: the weights.
        settings: input size and batch size.
        device: a torch device such as ``cpu`` or ``cuda:1``; by default a GPU if there is one.
        width: VOIs in each forward pass; by default 1 on a CPU, else the batch size.

    Attributes:
        device: name of the device in use.
        width: VOIs in each forward pass, now.

    Raises:
        WeightsError: the weights cannot be loaded.
        UsageError: a GPU is asked for, and there is none.
    """

    def __init__(
        self,
        source: WeightsSource,
        settings: DeepRadiomics,
        device: str | None = None,
        *,
        width: int | None = None,
    ) -> None:
        import torch

        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        chosen = torch.device(device)
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise UsageError(f"no GPU that torch can use here, got device {device}; use cpu")
        self.device = str(chosen)
        self.width = width or (1 if chosen.type == "cpu" else settings.batch_size)
        self._size = settings.input_size
        self._network = load_network(source).to(chosen)
        self._mean, self._std = (
            torch.tensor(channels, device=chosen).reshape(1, 3, 1, 1, 1)
            for channels in (KINETICS_MEAN, KINETICS_STD)
        )

    def embed(self, batch: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
        """Values of any number of VOIs as `prepare` returns them; shape (n, 512).

        Raises:
            ExtractionError: an input has another shape, or values are not finite; the message
                counts VOIs from 1. Or the device has no memory even for one VOI; the cause then
                is a `MemoryError`.
        """
        cube = (1, self._size, self._size, self._size)
        for place, voi in enumerate(batch, start=1):
            if voi.shape != cube:
                raise ExtractionError(
                    f"input {place} of {len(batch)} has shape {voi.shape}, the network takes {cube}; "
                    f"prepare it with the same settings"
                )
        values = np.empty((len(batch), DLR_VALUES), dtype=np.float32)
        start = 0
        while start < len(batch):
            part = batch[start : start + self.width]
            block = np.zeros((self.width, *cube), dtype=np.float32)
            for place, voi in enumerate(part):
                block[place] = voi
            found = self._fitting(block)
            if found is None:
                self.width = max(1, self.width // 2)
                continue
            values[start : start + len(part)] = found[: len(part)]
            start += len(part)
        broken = np.flatnonzero(~np.isfinite(values).all(axis=1)) + 1
        if broken.size:
            raise ExtractionError(
                f"the network's values are not finite for VOI {', '.join(map(str, broken))} "
                f"of {len(batch)}; check the weights"
            )
        return values

    def _fitting(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
        """One pass; None when the device's memory does not hold a block of several VOIs."""
        import torch

        try:
            return self._forward(block)
        except torch.OutOfMemoryError as error:
            said = str(error)
        # Only now is nothing of that pass held any more.
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        if len(block) > 1:
            return None
        raise ExtractionError(
            f"{self.device} has not enough memory for one VOI of {self._size} voxels a side; "
            f"lower `input_size`, or leave the GPU to this command alone"
        ) from MemoryError(said)

    def _forward(self, block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """One pass: (width, 1, s, s, s) to (width, 512)."""
        import torch

        # Outside CUDA these flags have no effect. TensorFloat-32 keeps only ten bits of a mantissa.
        exact = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with torch.inference_mode(), exact:
            # One grey channel becomes three by broadcasting against mean and deviation.
            colour = (torch.from_numpy(block).to(self.device) - self._mean) / self._std
            return np.asarray(self._network.embed(colour).cpu().numpy(), dtype=np.float32)
