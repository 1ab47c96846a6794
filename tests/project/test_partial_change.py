"""A change of settings computes what it changes; what was computed before stays until it is removed."""

from __future__ import annotations

import shutil

import pytest

_TYPES = "original: , log: {sigma_mm: [3.0]}"
_VOIS = 2  # one patient and phase, two regions


def _rows(tiny, query):
    return [tuple(row.values()) for row in tiny.open().sql(query).to_pylist()]


def _runs(tiny):
    """Image type to the runs of its current rows."""
    query = "SELECT image_type, count(*), list(DISTINCT run_id) FROM cr GROUP BY ALL ORDER BY ALL"
    return {image_type: (count, runs) for image_type, count, runs in _rows(tiny, query)}


@pytest.fixture(scope="module")
def _once(make_tiny):
    project = make_tiny()
    project.write_study(image_types=_TYPES, dlr=False)
    project.add("P1", ["AP"])
    assert project.extract().computed == _VOIS
    return project


@pytest.fixture
def done(_once, tmp_path):
    """One image whose features are complete, of the original and of one sigma."""
    return type(_once)(shutil.copytree(_once.folder, tmp_path / "tiny"))


@pytest.mark.parametrize(
    ("types", "added"),
    [
        (f"{_TYPES}, square: ", ["square"]),
        ("original: , log: {sigma_mm: [2.0, 3.0]}", ["log-sigma-2-0-mm-3D"]),
        (f"{_TYPES}, wavelet: ", [f"wavelet-{band}" for band in "HHH HHL HLH HLL LHH LHL LLH LLL".split()]),  # noqa: SIM905
    ],
)
def test_a_new_image_type_or_sigma_computes_only_its_own_rows(done, types, added):
    """The rows that are there keep their run, and their bytes."""
    before = _runs(done)
    values = done.open().sql("FROM cr ORDER BY ALL")
    done.write_study(image_types=types, dlr=False)
    summary = done.extract()
    assert (summary.planned, summary.computed, summary.values) == (_VOIS, _VOIS, _VOIS * 93 * len(added))
    after = _runs(done)
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == added
    (run,) = {run for name in added for run in after[name][1]}
    assert run not in {run for _, runs in before.values() for run in runs}
    kept = ", ".join(f"'{name}'" for name in before)
    assert done.open().sql(f"FROM cr WHERE image_type IN ({kept}) ORDER BY ALL").equals(values)
    assert done.extract().planned == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bin_count: 8", "bin_count: 9"),
        ("bin_count: 8", "bin_width: 5"),
        ("spacing_mm: null", "spacing_mm: [1.5, 1.5, 1.5]"),
    ],
)
def test_other_grey_levels_or_voxels_compute_everything(done, old, new):
    """Going back computes nothing; what was made meanwhile stays in `cr_all` until it is collected."""
    study = done.folder / "study.yaml"
    before = _runs(done)
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace(old, new), encoding="utf-8")
    assert _rows(done, "SELECT DISTINCT state FROM coverage WHERE phase = 'AP'") == [("missing",)]
    assert done.extract().computed == _VOIS
    after = _runs(done)
    assert {name: count for name, (count, _) in after.items()} == dict.fromkeys(before, _VOIS)
    assert not {run for _, runs in after.values() for run in runs} & {
        r for _, s in before.values() for r in s
    }
    study.write_text(text, encoding="utf-8")
    assert done.extract().planned == 0
    assert _runs(done) == before
    assert _rows(done, "SELECT count(*) FROM cr_all") == [(4 * _VOIS,)]
    assert sum(one.rows for one in done.open().gc().stale) == 2 * _VOIS
    assert _rows(done, "SELECT count(*) FROM cr_all") == [(2 * _VOIS,)]
    assert _runs(done) == before


def test_an_image_type_that_is_taken_out_computes_nothing_and_can_come_back(done):
    """Its rows only leave the view."""
    before = _runs(done)
    done.write_study(image_types="original: ", dlr=False)
    assert done.extract().planned == 0
    assert _runs(done) == {"original": before["original"]}
    done.write_study(image_types=_TYPES, dlr=False)
    assert done.extract().planned == 0
    assert _runs(done) == before
