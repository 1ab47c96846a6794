"""Tests of mvi_ray.model.bundle."""

from __future__ import annotations

import json
import struct
import zipfile
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import skops.io

from mvi_ray.errors import ModelError
from mvi_ray.matrix.matrix import Matrix
from mvi_ray.model.bundle import BundleInfo, load_bundle, save_bundle, to_sklearn
from mvi_ray.model.fitted import fit_model

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.model.linear import LinearModel
    from mvi_ray.study import Models

Make = Callable[..., Matrix]
INFO = BundleInfo("CR", 60, 20, "sha256:abc", {"scikit-learn": "1.9.1", "mvi-ray": "0.1.0"}, True, False)
PLANT = 7654321.0987654321


@pytest.fixture(scope="module")
def train(make_matrix: Make) -> Matrix:
    """Training rows, one of them with a number that is easy to recognise in every column."""
    part = make_matrix().part("train")
    part.values[7, :38] = PLANT
    return part


@pytest.fixture(scope="module")
def model(train: Matrix, few: Models) -> LinearModel:
    """A model fitted on them."""
    return fit_model(train.values, train.outcome, train.columns, few)


def test_bundle_comes_back_as_it_was(tmp_path: Path, train: Matrix, model: LinearModel) -> None:
    """Same numbers, same probabilities, same facts."""
    save_bundle(tmp_path / "CR", model, INFO)
    loaded, info = load_bundle(tmp_path / "CR")
    assert info == INFO
    assert loaded.columns == model.columns
    assert loaded.threshold == model.threshold
    rows = model.pick(train.values, train.columns)
    assert loaded.probability(rows).tolist() == model.probability(rows).tolist()


def test_scikit_learn_gives_the_calibrated_probability(train: Matrix, model: LinearModel) -> None:
    """Whoever has only scikit-learn and skops can use the model, once gaps are filled."""
    rows = model.pick(train.values, train.columns)
    rows = np.where(np.isnan(rows), model.medians, rows)
    loaded = skops.io.loads(skops.io.dumps(to_sklearn(model)))
    assert np.abs(loaded.predict_proba(rows)[:, 1] - model.probability(rows)).max() < 1e-9


def test_json_has_the_same_bytes_each_time(tmp_path: Path, model: LinearModel) -> None:
    """Also when versions come in another order."""
    save_bundle(tmp_path / "a", model, INFO)
    turned = dict(reversed(INFO.versions.items()))
    save_bundle(tmp_path / "b", model, BundleInfo("CR", 60, 20, "sha256:abc", turned, True, False))
    assert (tmp_path / "a/model.json").read_bytes() == (tmp_path / "b/model.json").read_bytes()


def _decoded(folder: Path) -> bytes:
    """Every byte of a bundle, members of the zip decompressed."""
    with zipfile.ZipFile(folder / "model.skops") as archive:
        members = [archive.read(name) for name in archive.namelist()]
    return b"\0".join([*members, (folder / "model.json").read_bytes()])


def _holds(content: bytes, number: float) -> bool:
    forms = [struct.pack("<d", number), struct.pack(">d", number), repr(number)[:12].encode()]
    return any(form in content for form in forms)


def test_no_value_of_a_patient_is_in_the_bundle(tmp_path: Path, model: LinearModel) -> None:
    """The search finds what is there (a mean), and does not find the planted value."""
    save_bundle(tmp_path, model, INFO)
    content = _decoded(tmp_path)
    assert struct.pack("<d", model.means[0]) in content
    assert repr(float(model.means[0])).encode() in content
    assert _holds(content, float(model.means[0]))
    assert not _holds(content, PLANT)


def test_types_that_are_not_trusted_are_not_loaded(tmp_path: Path, model: LinearModel) -> None:
    """A type that skops does not know could run anything."""
    save_bundle(tmp_path, model, INFO)
    (tmp_path / "model.skops").write_bytes(skops.io.dumps(Namespace(columns=3)))
    with pytest.raises(ModelError, match="not trusted and was not loaded"):
        load_bundle(tmp_path)


def test_files_of_two_models_are_refused(tmp_path: Path, model: LinearModel) -> None:
    """A changed coefficient in one file only."""
    save_bundle(tmp_path, model, INFO)
    content = json.loads((tmp_path / "model.json").read_text())
    content["columns"][0]["coefficient"] += 0.5
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="are not of the same model"):
        load_bundle(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("schema_version", 2, "schema_version"),
        ("threshold", "0.5", "threshold"),
        ("calibration_slope", -1.0, "calibration_slope"),
        ("surprise", 1, "surprise"),
        ("columns", [], "columns"),
    ],
)
def test_json_is_checked(tmp_path: Path, model: LinearModel, key: str, value: object, where: str) -> None:
    """Version, types, signs and unknown keys."""
    save_bundle(tmp_path, model, INFO)
    content = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(content | {key: value}))
    with pytest.raises(ModelError, match=f"not valid at {where}"):
        load_bundle(tmp_path)


@pytest.mark.parametrize("name", ["model.json", "model.skops"])
def test_missing_and_damaged_files_are_named(tmp_path: Path, model: LinearModel, name: str) -> None:
    """Neither is a traceback."""
    save_bundle(tmp_path, model, INFO)
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(ModelError, match=f"{name} is (not valid|damaged)"):
        load_bundle(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=f"{name} cannot be read"):
        load_bundle(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path, model: LinearModel) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "CR").write_text("")
    with pytest.raises(ModelError, match="CR: the bundle cannot be written"):
        save_bundle(tmp_path / "CR", model, INFO)
