"""Label maps and the layers of 3D Slicer."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mvi_ray.errors import CaseError, MaskError
from mvi_ray.ingest.masks import SegmentChoice, read_mask
from mvi_ray.ingest.masks.choice import Segment, choose
from mvi_ray.ingest.masks.labels import read_labels
from mvi_ray.volume import Geometry

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

SHAPE = (6, 8, 10)
GRID = Geometry(
    (10, 8, 6), (1.0, 1.5, 2.0), (10.0, -20.0, 30.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
)


def block_of(value: float) -> np.ndarray:
    """A block of one value in single precision."""
    array = np.zeros(SHAPE, dtype=np.float32)
    array[2:4, 3:6, 4:7] = value
    return array


def names(*segments: tuple[str, int, int]) -> dict[str, str]:
    """Header entries of 3D Slicer for (name, label, layer)."""
    found = {}
    for at, (name, label, layer) in enumerate(segments):
        found |= {
            f"Segment{at}_Name": name,
            f"Segment{at}_LabelValue": str(label),
            f"Segment{at}_Layer": str(layer),
            f"Segment{at}_Extent": "0 9 0 7 0 5",
        }
    return found


def write_nrrd(
    path: Path,
    array: np.ndarray,
    meta: dict[str, str],
    kinds: str = "list domain domain domain",
    offset: Any = 0,
) -> Path:
    """A seg.nrrd as 3D Slicer writes it; the fastest axis of the file is the last of the array."""
    kind = kinds.split()
    at = kind.index("list")
    vectors = ["(1,0,0)", "(0,1.5,0)", "(0,0,2)"]
    vectors.insert(at, "none")
    origin = np.add((10.0, -20.0, 30.0), np.multiply(offset, (1.0, 1.5, 2.0)))
    header = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, array.shape[::-1]))}",
        f"space directions: {' '.join(vectors)}",
        f"kinds: {kinds}",
        "encoding: gzip",
        f"space origin: ({','.join(map(str, origin.tolist()))})",
        *(f"{key}:={value}" for key, value in meta.items()),
    ]
    path.write_bytes("\n".join(header).encode() + b"\n\n" + gzip.compress(array.astype(np.uint8).tobytes()))
    return path


# Label maps ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64", "float32", "float64"])
def test_whole_labels_of_any_type_are_labels(folder: Folder, dtype: str) -> None:
    """A label map saved as floating point is fine as long as its values are whole."""
    labels = read_labels(folder.mask("m.nrrd", 3, dtype))
    assert labels.segments == (Segment(3),)
    assert labels.voxels(Segment(3)).sum() == 18
    assert labels.voxels(Segment(3)).dtype == np.uint8


@pytest.mark.parametrize("bad", [0.5, 1.0001, np.nan, np.inf, -np.inf, 1e30, -0.25])
def test_mask_with_values_that_are_no_labels_is_refused(folder: Folder, bad: float) -> None:
    """A resampled mask holds fractions; infinite and huge values must not wrap around."""
    array = block_of(1.0)
    array[0, 0, 0] = bad
    path = folder.write("jane.nrrd", array)
    with pytest.raises(MaskError, match="holds fractions or no numbers, such as") as caught:
        read_labels(path)
    assert f"such as {bad:g}" in caught.value.reason
    assert caught.value.way_out == "export it as a label map of whole numbers"


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_negative_label_is_refused(folder: Folder, dtype: str) -> None:
    """A label is a positive number."""
    path = folder.mask("jane.nrrd", -2, dtype)
    with pytest.raises(MaskError, match="mask holds the negative label -2; export it anew"):
        read_labels(path)


def test_background_is_no_label(folder: Folder) -> None:
    """0 is what was not drawn."""
    labels = read_labels(folder.mask("m.nii.gz", 1))
    with pytest.raises(MaskError, match="label 0 does not occur in the mask, which holds 1"):
        choose(labels.segments, SegmentChoice(0))


@pytest.mark.parametrize("name", ["jane.nii.gz", "jane.nrrd"])
def test_layers_without_names_are_refused(folder: Folder, name: str) -> None:
    """Colour, or the time points of a dynamic series: no label map."""
    folder.write(name, np.ones((*SHAPE, 2), dtype=np.uint8), vector=True)
    with pytest.raises(CaseError, match="mask has 2 values in each voxel"):
        read_labels(folder.path / name)
    folder.write(name, np.ones((3, *SHAPE), dtype=np.uint8))
    with pytest.raises(CaseError, match="mask has 4 dimensions"):
        read_labels(folder.path / name)


# 3D Slicer ----------------------------------------------------------------------------


def test_segments_of_slicer_are_read(folder: Folder) -> None:
    """`Segment0_Name` and `Segment0_LabelValue`, as 3D Slicer writes them."""
    meta = {
        "Segment0_Name": "liver",
        "Segment0_LabelValue": "1",
        "Segment1_Name": "tumour",
        "Segment1_LabelValue": " 4 ",
        "Segment2_Name": "no label",
        "Segment3_Name": "broken",
        "Segment3_LabelValue": "four",
        "Segment4_Name": "huge",
        "Segment4_LabelValue": "9" * 5000,
        "SegmentX_Name": "no number",
    }
    labels = read_labels(folder.mask("m.nrrd", 4, meta=meta))
    assert labels.named == (Segment(1, "liver"), Segment(4, "tumour"))
    assert labels.segments == labels.named
    assert labels.voxels(choose(labels.segments, SegmentChoice(patterns=("tumour",)))).sum() == 18


def test_label_without_a_name_can_be_chosen_beside_named_ones(folder: Folder) -> None:
    """The header of an older drawing, and a label painted later."""
    array = block_of(1).astype(np.uint8)
    array[5, 7, 9] = 2
    labels = read_labels(folder.write("m.nrrd", array, meta=names(("liver", 1, 0))))
    assert labels.segments == (Segment(1, "liver"), Segment(2))


def test_two_segments_of_one_name_are_not_guessed(folder: Folder) -> None:
    """The last one must not win in silence."""
    labels = read_labels(folder.mask("m.nrrd", 1, meta=names(("tumour", 1, 0), ("tumour", 2, 0))))
    with pytest.raises(MaskError, match="stands for the labels 1, 2 of the mask; give the label instead"):
        choose(labels.segments, SegmentChoice(patterns=("tumour",)))


def overlapping() -> tuple[np.ndarray, np.ndarray]:
    """A liver, and a tumour within it."""
    tumour = block_of(1).astype(np.uint8)
    liver = np.zeros_like(tumour)
    liver[1:5, 2:7, 2:9] = 1
    return liver, tumour


@pytest.mark.parametrize(
    "kinds", ["list domain domain domain", "domain domain domain list", "domain list domain domain"]
)
def test_overlapping_segments_lie_in_layers(folder: Folder, kinds: str) -> None:
    """Whichever axis of the file counts them."""
    liver, tumour = overlapping()
    axis = 3 - kinds.split().index("list")
    path = write_nrrd(
        folder.path / "a.seg.nrrd",
        np.stack([liver, tumour], axis=axis),
        names(("liver", 1, 0), ("tumour", 1, 1)),
        kinds,
    )
    for name, wanted in (("liver", liver), ("tumour", tumour)):
        found = read_mask(path, SegmentChoice(patterns=(name,)), GRID)
        assert np.array_equal(found.mask.array, wanted)
        assert found.mask.geometry.difference(GRID) is None
        assert (found.remarks, found.resampled_from) == ((), None)
    with pytest.raises(MaskError, match="label 1 stands for 2 of the 2 segments of the mask, in different"):
        read_mask(path, SegmentChoice(1), GRID)


@pytest.mark.parametrize("vector", [True, False])
def test_layers_written_by_itk_are_read(folder: Folder, vector: bool) -> None:
    """As values of each voxel, or as a fourth dimension."""
    liver, tumour = overlapping()
    stacked = np.stack([liver, tumour * 3], axis=-1 if vector else 0)
    path = folder.write("a.seg.nrrd", stacked, meta=names(("liver", 1, 0), ("tumour", 3, 1)), vector=vector)
    found = read_mask(path, SegmentChoice(3), GRID)
    assert np.array_equal(found.mask.array, tumour)


def test_old_files_have_a_layer_for_each_segment(folder: Folder) -> None:
    """Before Slicer 4.11: no label values, no layer numbers."""
    meta = {"Segment0_Name": "liver", "Segment1_Name": "tumour"}
    path = write_nrrd(folder.path / "a.seg.nrrd", np.stack(overlapping(), axis=-1), meta)
    found = read_mask(path, SegmentChoice(patterns=("tumour",)), GRID)
    assert np.array_equal(found.mask.array, overlapping()[1])


def test_array_that_covers_a_part_is_padded(folder: Folder) -> None:
    """3D Slicer saves the box around the segments only: no resampling, and nothing to remark."""
    liver, tumour = overlapping()
    part = np.stack([liver, tumour], axis=-1)[1:5, 2:7, 2:9]
    path = write_nrrd(
        folder.path / "a.seg.nrrd", part, names(("liver", 1, 0), ("tumour", 1, 1)), offset=(2, 2, 1)
    )
    for name, wanted in (("liver", liver), ("tumour", tumour)):
        found = read_mask(path, SegmentChoice(patterns=(name,)), GRID)
        assert np.array_equal(found.mask.array, wanted)
        assert found.mask.geometry == GRID
        assert (found.remarks, found.resampled_from) == ((), None)


def test_layer_that_is_not_there_is_told(folder: Folder) -> None:
    """A header edited by hand."""
    path = write_nrrd(
        folder.path / "a.seg.nrrd", np.stack(overlapping(), axis=-1), names(("liver", 1, 0), ("tumour", 1, 7))
    )
    with pytest.raises(MaskError, match=r"mask puts a segment into layer 7 \(from 0\) and holds 2; export"):
        read_labels(path)


def test_segment_without_a_voxel_is_empty(folder: Folder) -> None:
    """Named, and never drawn."""
    path = folder.mask("m.nrrd", 1, meta=names(("liver", 1, 0), ("tumour", 2, 0)))
    with pytest.raises(MaskError, match="mask is empty; draw it"):
        read_mask(path, SegmentChoice(patterns=("tumour",)), GRID)


def test_layers_that_were_cut_off_are_refused(folder: Folder) -> None:
    """An interrupted copy."""
    noise = np.random.default_rng(0).integers(0, 2, (*SHAPE, 2))
    path = write_nrrd(folder.path / "jane.seg.nrrd", noise, names(("a", 1, 0), ("b", 1, 1)))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(CaseError, match="mask file cannot be read") as caught:
        read_labels(path)
    folder.check_text(caught.value.message)


def test_header_that_claims_terabytes_is_refused(folder: Folder) -> None:
    """Before memory is taken for it."""
    path = write_nrrd(folder.path / "jane.seg.nrrd", np.stack(overlapping(), axis=-1), names(("liver", 1, 0)))
    path.write_bytes(path.read_bytes().replace(b"sizes: 2 10 8 6", b"sizes: 2 9000 9000 9000"))
    with pytest.raises(CaseError, match="mask claims 1458000000000 labels in its layers; export it anew"):
        read_labels(path)


def test_picture_with_layers_is_refused(folder: Folder) -> None:
    """Two dimensions are no volume, whatever the header names."""
    folder.write("jane.nrrd", np.ones((8, 10), dtype=np.uint8), meta=names(("liver", 1, 0)))
    with pytest.raises(CaseError, match="mask has 2 dimensions; export it as one volume"):
        read_labels(folder.path / "jane.nrrd")
