"""`mvi store check`: every kind of damage is found, and mended where it can be."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from mvi_ray.errors import StoreError
from mvi_ray.store.check_volumes import check_volumes


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


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("damage", ["no folder", "empty folder", "unreadable"])
def test_a_folder_that_is_not_mounted_costs_no_entry(project, kind, damage):
    """`--repair` leaves the table alone, and all is well when the folder is back."""
    table, folder = project.store.tables[kind], project.store.root / kind
    rows = table.read().num_rows
    aside = folder.rename(folder.with_name("aside"))
    if damage == "empty folder":
        folder.mkdir()
    elif damage == "unreadable":
        folder.symlink_to(folder)
    found = project.check(repair=True)
    (finding,) = (one for one in found.findings if one.check == "volumes")
    assert f"{rows} of {rows} {kind} cannot be opened, of 2 patients" in finding.what
    assert finding.what.endswith(f"the folder store/{kind} seems to be absent or unreadable")
    assert finding.way_out.startswith("mount or restore it and check again")
    assert (found.errors, found.repaired, table.read().num_rows) == (1, (), rows)
    if damage == "empty folder":
        folder.rmdir()
    folder.unlink(missing_ok=True)
    aside.rename(folder)
    assert project.check().findings == ()


def test_one_file_that_cannot_be_opened_costs_no_entry(project):
    """A missing one would; of this one nobody knows what it holds."""
    table = project.store.tables["images"]
    path = project.store.root / table.read(["path"]).column(0)[0].as_py()
    path.unlink()
    path.symlink_to(path)
    found = project.check(repair=True)
    assert (found.errors, found.repaired, table.read().num_rows) == (1, (), 4)


def test_many_changed_files_are_taken_out(project):
    """They can be read, so it is they that are wrong, not the disk."""
    for name in project.store.tables["images"].read(["path"]).column(0).to_pylist():
        (project.store.root / name).write_bytes(b"no image")

    def told(done, total):
        assert done <= total

    (finding,) = check_volumes(project.store, told)
    assert finding.what.startswith("4 images are missing or were changed, of 2 patients")
    assert (finding.repair, len(finding.keys)) == ("volumes", 4)


def test_rows_that_stand_twice_are_found_and_joined(project):
    """No view ever shows a row twice after that; the one computed last stays."""
    table, row = _first(project, "cr")
    rows = table.read().num_rows
    (older,) = row.to_pylist()
    older = {**older, "glcm_Contrast": -1.0, "computed_at": older["computed_at"] - timedelta(days=1)}
    write_deltalake(table.open(), pa.Table.from_pylist([older], schema=table.spec.schema), mode="append")
    assert _what(project.check(volumes=False), "keys") == ["table cr: 1 keys stand more than once"]
    assert project.check(repair=True, volumes=False).errors == 0
    assert project.check(volumes=False).findings == ()
    assert _complete(project)
    assert table.read().num_rows == rows
    assert -1.0 not in table.read(["glcm_Contrast"]).column(0).to_pylist()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
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


def test_nan_and_infinity_are_explained_and_told(project):
    """The engine returns them, and would again: they are no damage, and `--repair` leaves them."""
    table = project.store.tables["cr"]
    first, second = table.read().to_pylist()[:2]
    table.write(
        [
            {**first, "glcm_Contrast": float("nan")},
            {**second, "glcm_Contrast": float("inf"), "glcm_Idm": float("-inf")},
        ]
    )
    rows = table.read().num_rows
    found = project.check(volumes=False, repair=True)
    assert (found.errors, table.read().num_rows) == (0, rows)
    assert _what(found, "values") == [
        "table cr: 1 values of 1 features are NaN (glcm_Contrast 1)",
        "table cr: 2 values of 2 features are infinite (glcm_Contrast 1, glcm_Idm 1)",
    ]


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


def test_a_row_without_its_geometry_is_found(project):
    """Damage must not end the tool for damage."""
    table = project.store.tables["masks"]
    row = table.read().to_pylist()[0]
    table.write([{**row, "direction": None, "path": None}])
    assert "1 masks" in _what(project.check(), "volumes")[0]
