"""Stored volumes: bit for bit what was given, or an error."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from mvi_ray.errors import StoreError
from mvi_ray.store.volumes import StoredVolume, save_volume
from mvi_ray.volume import Geometry, Mask, Volume

_ANGLE = st.floats(-180, 180)
_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "float32", "float64")


def _oblique(size=(5, 4, 3), angles=(17.3, -8.9, 31.7)):
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    return Geometry(
        size, (0.7123456789, 0.9, 3.3333333333), (-101.123456789, 57.1, 1203.7), tuple(matrix.ravel())
    )


def _volume(geometry=None, dtype="float64", seed=0):
    geometry = geometry or _oblique()
    rng = np.random.default_rng(seed)
    return Volume(rng.normal(0, 50, geometry.shape).astype(dtype), geometry).to_canonical()


def _mask(geometry=None):
    geometry = geometry or _oblique()
    array = np.zeros(geometry.shape, np.uint8)
    array[1:, 1:, 1:] = 1
    return Mask(array, geometry).to_canonical()


def _same(one, other):
    assert one.array.dtype == other.array.dtype
    assert one.array.tobytes() == other.array.tobytes()
    assert one.geometry == other.geometry
    assert one.reorientation == other.reorientation


@pytest.mark.parametrize("dtype", _TYPES)
def test_an_image_comes_back_bit_for_bit(tmp_path, dtype):
    """Voxels, their type, the grid and the way back to the source."""
    volume = _volume(dtype=dtype)
    stored = save_volume(tmp_path, volume)
    _same(stored.load_image(tmp_path), volume)
    _same(stored.load_image(tmp_path).to_source(), volume.to_source())


def test_a_mask_comes_back_bit_for_bit(tmp_path):
    """Under another folder than images."""
    mask = _mask()
    stored = save_volume(tmp_path, mask)
    _same(stored.load_mask(tmp_path), mask)
    assert stored.path == f"masks/{mask.digest[:2]}/{mask.digest}.nii.gz"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(angles=st.tuples(_ANGLE, _ANGLE, _ANGLE), seed=st.integers(0, 1000))
def test_any_oblique_grid_survives_the_table_and_the_file(tmp_path, angles, seed):
    """Through the columns of `images` and the NIfTI file, for any rotation."""
    volume = _volume(_oblique(angles=angles), seed=seed)
    stored = save_volume(tmp_path, volume)
    row = {**stored.columns(), "image_digest": stored.digest}
    _same(StoredVolume.of_row(row).load_image(tmp_path), volume)


def test_the_header_alone_would_move_an_oblique_grid(tmp_path):
    """NIfTI keeps single precision: the reason why the grid stands in the table."""
    volume = _volume()
    stored = save_volume(tmp_path, volume)
    header = Geometry.of_sitk(sitk.ReadImage(str(tmp_path / stored.path)))
    assert header != volume.geometry
    assert header.direction != volume.geometry.direction
    assert header.difference(volume.geometry) is None
    assert stored.load_image(tmp_path).geometry == volume.geometry


def test_the_same_volume_is_stored_once(tmp_path):
    """The file is named by its content, so a second ingest writes nothing."""
    first = save_volume(tmp_path, _volume())
    before = (tmp_path / first.path).stat()
    assert save_volume(tmp_path, _volume()) == first
    after = (tmp_path / first.path).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert len(list(tmp_path.rglob("*.nii.gz"))) == 1


def test_grid_and_source_are_part_of_the_name(tmp_path):
    """Equal voxels on another grid are another volume."""
    moved = Geometry((5, 4, 3), (1, 1, 1), (0, 0, 0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    array = np.ones(moved.shape, np.float32)
    turned = Geometry((5, 4, 3), (1, 1, 1), (0, 0, 0), (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    names = {save_volume(tmp_path, Volume(array, g).to_canonical()).digest for g in (moved, turned)}
    assert len(names) == 2


def test_only_canonical_volumes_are_stored(tmp_path):
    """One that still lies as its file does is refused."""
    geometry = _oblique()
    with pytest.raises(StoreError, match="call to_canonical"):
        save_volume(tmp_path, Volume(np.zeros(geometry.shape), geometry))


def _damage(path, how):
    if how == "deleted":
        path.unlink()
    elif how == "cut off":
        path.write_bytes(path.read_bytes()[:60])
    elif how == "another value":
        image = sitk.ReadImage(str(path))
        image[1, 1, 1] = 1 - image[1, 1, 1]
        sitk.WriteImage(image, str(path))
    else:
        image = sitk.ReadImage(str(path))
        sitk.WriteImage(image[1:, :, :], str(path))


@pytest.mark.parametrize("how", ["deleted", "cut off", "another value", "another size"])
@pytest.mark.parametrize("make", [_volume, _mask])
def test_a_damaged_file_is_an_error_and_ingesting_again_repairs_it(tmp_path, make, how):
    """The message tells what to do, and doing it helps."""
    grid = make()
    stored = save_volume(tmp_path, grid)
    _damage(tmp_path / stored.path, how)
    load = stored.load_image if make is _volume else stored.load_mask
    with pytest.raises(
        StoreError, match=rf"stored volume {stored.digest[:12]} (is missing|was changed).*ingest"
    ):
        load(tmp_path)
    save_volume(tmp_path, grid)
    _same(load(tmp_path), grid)


def test_errors_name_no_path(tmp_path):
    """A path may carry a patient's name; the digest does not."""
    stored = save_volume(tmp_path, _volume())
    (tmp_path / stored.path).unlink()
    with pytest.raises(StoreError, match="ingest its patient again") as caught:
        stored.load_image(tmp_path)
    assert str(tmp_path) not in caught.value.message


def test_a_damaged_file_is_no_lack_of_memory_whatever_its_folders_are_called(tmp_path):
    """ITK names the file in its text."""
    folder = tmp_path / "allocation" / "bad_alloc" / "allocate memory"
    stored = save_volume(folder, _volume())
    (folder / stored.path).write_bytes(b"no NIfTI")
    with pytest.raises(StoreError, match="again, then `mvi extract --retry-failed`") as caught:
        stored.load_image(folder)
    assert caught.value.reason.endswith("is missing or unreadable")


@pytest.mark.parametrize("words", ["std::bad_alloc", "Failed to allocate memory for image."])
def test_a_lack_of_memory_is_no_damaged_file(tmp_path, monkeypatch, words):
    """ITK says it in words."""
    stored = save_volume(tmp_path, _volume())

    def fails(file):
        raise RuntimeError(f"{file}: {words}")

    monkeypatch.setattr(sitk, "ReadImage", fails)
    with pytest.raises(MemoryError):
        stored.load_image(tmp_path)


def test_a_volume_that_cannot_be_written_says_what_to_do(tmp_path, monkeypatch):
    """In one line, with a way out."""

    def fails(*_, **__):
        raise RuntimeError("no space\nleft")

    monkeypatch.setattr(sitk, "WriteImage", fails)
    with pytest.raises(StoreError, match=r"\(no space left\); check the disk's free space and permissions"):
        save_volume(tmp_path, _volume())


def test_no_half_written_file_stays_beside_the_volumes(tmp_path):
    """Files are written aside and renamed."""
    for seed in range(3):
        save_volume(tmp_path, _volume(seed=seed))
    names = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert all(len(name) == 64 + len(".nii.gz") for name in names)
