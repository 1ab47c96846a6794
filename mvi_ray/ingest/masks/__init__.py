"""Mask files of every kind to one mask on the grid of its image."""

from mvi_ray.ingest.masks.choice import SegmentChoice
from mvi_ray.ingest.masks.read import read_mask
from mvi_ray.ingest.masks.result import GeometryRule, ReadMask, Remark

__all__ = ["GeometryRule", "ReadMask", "Remark", "SegmentChoice", "read_mask"]
