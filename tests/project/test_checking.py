"""`mvi store check`: every kind of damage is found, and mended where it can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import write_deltalake

from mvi_ray.errors import StoreError


@pytest.fixture
def project(extracted):
    """Two patients, complete."""
    project = extracted.open()
    # A copy of a project is a moved one.
    project.refresh()
    return project


def _what(summary, check=None):
    return [one.what for one in summary.findings if check in (None, one.check)]


def _first(project, name):
    table = project.store.tables[name]
    return table, table.read().slice(0, 1)


def _complete(project):
    states = project.sql("SELECT DISTINCT state FROM coverage WHERE state != 'complete'")
    return states.num_rows == 0


def test_a_good_store_has_nothing_wrong(project):
    """With every volume read."""
    found = project.check()
    assert (found.findings, found.errors) == ((), 0)
    # Four images, four drawn masks and four rings.
    assert found.volumes == 12


def test_a_changed_voxel_is_found_and_comes_back_with_the_next_ingest(project, extracted):
    """The digest is of voxels and geometry."""
    import SimpleITK as sitk

    row = project.store.tables["images"].read().to_pylist()[0]
    path = project.store.root / row["path"]
    image = sitk.ReadImage(str(path))
    image[3, 3, 3] = image[3, 3, 3] + 1
    sitk.WriteImage(image, str(path))
    assert _what(project.check()) == [
        f"1 images are missing or were changed, of 1 patients ({row['patient_id']})"
    ]
    assert project.check(volumes=False).errors == 0
    mended = project.check(repair=True)
    assert (mended.errors, len(mended.repaired)) == (0, 1)
    assert not _complete(project)
    cases = [(row["patient_id"], phase) for phase in ("AP", "PP")]
    project.ingest(extracted.write_manifest(cases))
    assert _complete(project)
    assert project.check().errors == 0


def test_a_missing_mask_is_found(project):
    """And named by its patient."""
    row = project.store.tables["masks"].read().to_pylist()[0]
    (project.store.root / row["path"]).unlink()
    assert "masks are missing or were changed, of 1 patients" in _what(project.check(), "volumes")[0]


def test_rows_that_stand_twice_are_found_and_joined(project):
    """No view ever shows a row twice after that."""
    table, row = _first(project, "cr")
    write_deltalake(table.open(), row, mode="append")
    assert _what(project.check(volumes=False), "keys") == ["table cr: 1 keys stand more than once"]
    assert project.check(repair=True, volumes=False).errors == 0
    assert project.check(volumes=False).findings == ()
    assert _complete(project)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("glcm_Contrast", float("inf"), "table cr: 1 rows hold infinite values"),
        ("glcm_Contrast", None, "table cr: 1 rows lack values that are always defined"),
        ("shape_Sphericity", None, "table cr: 1 rows of the original image lack shape"),
    ],
)
def test_values_that_nothing_explains_are_found_and_computed_again(project, extracted, column, value, words):
    """`--repair` removes the row, and `mvi extract` makes it anew."""
    table = project.store.tables["cr"]
    row = next(r for r in table.read().to_pylist() if r["image_type"] == "original")
    good = project.sql("SELECT * FROM cr ORDER BY ALL")
    table.write([{**row, column: value}])
    assert _what(project.check(volumes=False), "values") == [words]
    assert project.check(repair=True, volumes=False).errors == 0
    extracted.extract()
    columns = ["patient_id", "phase", "region", "image_type", column]
    again = project.sql("SELECT * FROM cr ORDER BY ALL")
    keys = [(name, "ascending") for name in columns[:4]]
    assert again.select(columns).sort_by(keys).equals(good.select(columns).sort_by(keys))


def test_nan_is_explained_and_told(project):
    """The engine returns it; it is no damage."""
    table = project.store.tables["cr"]
    row = table.read().to_pylist()[0]
    table.write([{**row, "glcm_Contrast": float("nan")}])
    found = project.check(volumes=False)
    assert found.errors == 0
    assert "table cr: 1 values of 1 features are NaN (glcm_Contrast 1)" in _what(found)


def test_an_embedding_of_the_wrong_length_is_found(project):
    """Half an embedding is none."""
    table = project.store.tables["dlr"]
    row = table.read().to_pylist()[0]
    table.write([{**row, "embedding": row["embedding"][:100]}])
    words = "table dlr: 1 rows hold no finite embedding of the right length"
    assert words in _what(project.check(volumes=False), "values")


def test_settings_that_were_changed_are_found(project):
    """The name of a feature set is the digest of its settings."""
    table = project.store.tables["feature_sets"]
    row = table.read().to_pylist()[0]
    table.write([{**row, "settings": row["settings"].replace("8", "9")}])
    found = project.check(volumes=False)
    assert _what(found, "feature sets") == ["1 feature sets have settings that are not those of their name"]
    assert project.check(volumes=False, repair=True).errors == 1


def test_rows_of_an_unknown_feature_set_are_found(project):
    """Nobody knows how they were made."""
    row = project.store.tables["feature_sets"].read().to_pylist()[0]
    project.store.tables["feature_sets"].delete({"feature_set_id": row["feature_set_id"]})
    found = project.check(volumes=False)
    assert "rows of 1 feature sets that are not recorded" in _what(found, "feature sets")[0]


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_broken_table_file_is_found_before_anything_fails_on_it(project, damage):
    """Then nothing else is asked; `--repair` takes the file out, and the rest goes on."""
    path = Path(project.store.tables["cr"].files()[0])
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-8])
    (finding,) = project.check().findings
    assert finding.check == "files"
    assert finding.what == (
        "table cr: 1 files are missing, 0 are damaged"
        if damage == "missing"
        else "table cr: 0 files are missing, 1 are damaged"
    )
    mended = project.check(repair=True)
    assert mended.errors == 0
    assert not _complete(project)
    assert project.check().errors == 0


def test_a_catalog_that_is_behind_is_a_note(project, extracted):
    """As after an edit of the study, or a kill between commit and catalog."""
    extracted.write_study(ring_mm=3)
    found = extracted.open().check(volumes=False)
    assert (found.errors, "the catalog is behind the tables or the study file" in _what(found)) == (0, True)


def test_missing_rows_are_a_note(project):
    """`mvi extract` computes them."""
    table, _ = _first(project, "cr")
    row = table.read().to_pylist()[0]
    table.delete({name: row[name] for name in table.spec.keys})
    found = project.check(volumes=False)
    assert "1 VOIs of family CR lack 1 of their rows" in _what(found, "counts")


def test_an_empty_store_is_refused_in_words(tiny):
    """There is nothing to check."""
    with pytest.raises(StoreError, match="the store is empty; run `mvi ingest` first"):
        tiny.open().check()
