"""The catalog: its views over rows made by hand."""

# ruff: noqa: S608 - the queries are put together from names in this file

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import duckdb
import pytest

from mvi_ray.errors import StoreError

_PLAIN_DUCKDB = """
import json, sys
import duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    loaded = "SELECT extension_name FROM duckdb_extensions() WHERE loaded ORDER BY ALL"
    before = connection.sql(loaded).fetchall()
    values = "SELECT feature, value FROM features WHERE value != 0 ORDER BY feature"
    answer = {
        "coverage": connection.sql("SELECT state, count(*) FROM coverage GROUP BY ALL").fetchall(),
        "features": connection.sql(values).fetchall(),
        "more": connection.sql(loaded).fetchall() != before,
        "foreign": sorted(m for m in sys.modules if m.split(".")[0] in ("mvi_ray", "deltalake", "pyarrow")),
    }
print(json.dumps(answer))
"""


@pytest.fixture
def filled(store, rows):
    """One image, one mask, one row of each family."""
    store.tables["images"].write([rows.image()])
    store.tables["masks"].write([rows.mask()])
    store.tables["cr"].write([rows.cr(7.5)])
    store.tables["dlr"].write([rows.dlr()])
    return store


def _cr(store, study, view="cr"):
    store.publish(study)
    found = store.query(f"SELECT reader, image_type, glcm_Contrast FROM {view} ORDER BY ALL")
    return [tuple(row.values()) for row in found.to_pylist()]


def _state(store, study, family="CR"):
    store.publish(study)
    query = (
        "SELECT state FROM coverage WHERE patient_id = 'P1' AND phase = 'AP' "
        "AND region = 'intratumoral' AND family = ?"
    )
    return store.query(query, [family]).column(0).to_pylist()


def test_an_empty_store_answers_every_view(store, study):
    """With no row, and with the columns there."""
    store.publish(study)
    views = store.query("SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'")
    names = set(views.column(0).to_pylist())
    assert names == {
        *("patients", "images", "masks", "clinical", "quarantine", "feature_sets"),
        *("cr", "cr_all", "cr_variants", "dlr", "dlr_all", "dlr_variants"),
        *("imported", "imported_all", "features", "coverage"),
        *("feature_statistics", "snapshots", "exclusions", "enrolment"),
    }
    for name in names:
        assert store.query(f"SELECT * FROM {name}").num_rows == 0
    assert "glcm_Contrast" in store.query("FROM cr").column_names
    embedding = store.query("FROM dlr_all").schema.field("embedding").type
    assert (embedding.value_type, embedding.list_size) == ("float", 512)


def test_nearest_patients_by_embedding_are_one_query(filled, study, rows):
    """Embeddings are arrays of known length, as DuckDB's distances want them."""
    filled.tables["masks"].write([rows.mask(patient_id="P2")])
    filled.tables["dlr"].write([rows.dlr(patient_id="P2", embedding=[0.0] * 511 + [1.0])])
    filled.publish(study)
    query = (
        "SELECT b.patient_id, array_cosine_distance(a.embedding, b.embedding) AS distance "
        "FROM dlr_all AS a, dlr_all AS b WHERE a.patient_id = 'P1' ORDER BY distance"
    )
    assert filled.query(query).to_pylist() == [
        {"patient_id": "P1", "distance": 0.0},
        {"patient_id": "P2", "distance": 1.0},
    ]


def test_plain_duckdb_opens_the_catalog_in_another_process(filled, study, run_python):
    """Read-only, without an extension and without a package of this project."""
    filled.publish(study)
    done = run_python(_PLAIN_DUCKDB, str(filled.catalog))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert filled.query("SELECT count(*) AS n FROM features").column(0).to_pylist() == [513]
    assert answer["features"] == [
        ["AP_intratumoral_dlr_000", 0.5],
        ["AP_intratumoral_dlr_001", -0.25],
        ["AP_intratumoral_original_glcm_Contrast", 7.5],
    ]
    assert dict(answer["coverage"]) == {"complete": 1, "partial": 1, "no mask": 2, "no image": 4}
    assert answer["foreign"] == []
    assert answer["more"] is False


def test_features_leave_out_what_is_not_defined(filled, study, rows):
    """NULL is no row; NaN is what the engine returned, and stays."""
    filled.tables["cr"].write([rows.cr(float("nan"), image_type="square", feature_set_id="cr-square")])
    filled.publish(study)
    query = "SELECT feature, isnan(value) AS nan FROM features WHERE family = 'CR' ORDER BY feature"
    assert filled.query(query).to_pylist() == [
        {"feature": "AP_intratumoral_original_glcm_Contrast", "nan": False},
        {"feature": "AP_intratumoral_square_glcm_Contrast", "nan": True},
    ]


def test_cr_shows_the_modelling_reader_only(filled, study, rows):
    """The other reader's rows are in `cr_all`."""
    filled.tables["masks"].write([rows.mask(reader="R2")])
    filled.tables["cr"].write([rows.cr(8.5, reader="R2")])
    assert _cr(filled, study) == [("R1", "original", 7.5)]
    assert _cr(filled, study, "cr_all") == [("R1", "original", 7.5), ("R2", "original", 8.5)]
    assert _cr(filled, replace(study, readers=("R2", "R1"))) == [("R2", "original", 8.5)]


def test_cr_shows_current_feature_sets_only(filled, study, rows):
    """An older setting stays in `cr_all`, and no row comes twice."""
    filled.tables["cr"].write([rows.cr(1.0, feature_set_id="an older bin width")])
    assert _cr(filled, study) == [("R1", "original", 7.5)]
    assert len(_cr(filled, study, "cr_all")) == 2
    other = tuple(
        ("CR", f, t, "an older bin width" if s == "cr-original" else s) for _, f, t, s in study.current
    )
    assert _cr(filled, replace(study, current=other)) == [("R1", "original", 1.0)]


def test_a_feature_set_is_current_for_its_phase_only(filled, study):
    """Bin widths may differ from phase to phase."""
    other = tuple(row for row in study.current if row[1] == "PP")
    assert _cr(filled, replace(study, current=other)) == []


@pytest.mark.parametrize("family", ["cr", "dlr"])
def test_rows_of_a_changed_mask_are_gone_at_once(filled, study, rows, family):
    """What was computed from the mask before is never shown as of the mask that is stored."""
    filled.tables["masks"].write([rows.mask(digest="redrawn")])
    filled.publish(study)
    assert filled.query(f"FROM {family}").num_rows == 0
    assert filled.query(f"FROM {family}_all").num_rows == 1
    assert _state(filled, study, family.upper()) == ["missing"]


@pytest.mark.parametrize("family", ["cr", "dlr"])
def test_rows_of_a_replaced_image_are_gone_until_the_mask_comes_again(filled, study, rows, family):
    """The mask still names the image that it was drawn on."""
    filled.tables["images"].write([rows.image(digest="replaced")])
    filled.publish(study)
    assert filled.query(f"FROM {family}").num_rows == 0
    assert filled.query(f"FROM {family}_all").num_rows == 1
    assert _state(filled, study, family.upper()) == ["no mask"]


def test_a_region_that_the_study_no_longer_has_is_not_shown(filled, study, rows):
    """Its rows stay in `cr_all`."""
    filled.tables["masks"].write([rows.mask(region="capsule")])
    filled.tables["cr"].write([rows.cr(3.0, region="capsule")])
    assert _cr(filled, study) == [("R1", "original", 7.5)]
    assert len(_cr(filled, study, "cr_all")) == 2
    regions = replace(study, regions=("intratumoral", "capsule"))
    assert _cr(filled, regions) == [("R1", "original", 3.0), ("R1", "original", 7.5)]


def test_coverage_counts_each_wanted_voi_once(filled, study):
    """Two phases, two regions and two families of one patient are eight rows."""
    filled.publish(study)
    found = filled.query("SELECT DISTINCT phase, region, family FROM coverage")
    assert found.num_rows == filled.query("FROM coverage").num_rows == 8


def test_coverage_tells_what_stands_in_the_way(store, study, rows):
    """From no image to complete, one step after the other."""
    tables = store.tables
    tables["images"].write([rows.image(phase="PP")])
    assert _state(store, study) == ["no image"]
    tables["images"].write([rows.image()])
    assert _state(store, study) == ["no mask"]
    tables["masks"].write([rows.mask(reader="R2")])
    assert _state(store, study) == ["no mask"]
    tables["masks"].write([rows.mask()])
    assert _state(store, study) == ["missing"]
    failure = {**rows.voi(), "stage": "extract", "family": "CR"}
    tables["quarantine"].write([failure])
    assert _state(store, study) == ["quarantine"]
    assert _state(store, study, "DLR") == ["missing"]
    tables["quarantine"].delete(failure)
    tables["cr"].write([rows.cr()])
    assert _state(store, study) == ["partial"]
    tables["cr"].write([rows.cr(image_type="square", feature_set_id="cr-square")])
    assert _state(store, study) == ["complete"]


def test_a_second_lesion_has_coverage_of_its_own(filled, study, rows):
    """In every phase of its session, also where it was not drawn."""
    filled.tables["masks"].write([rows.mask(lesion="2")])
    filled.publish(study)
    query = "SELECT lesion, count(*) AS vois FROM coverage GROUP BY lesion ORDER BY lesion"
    assert filled.query(query).to_pylist() == [{"lesion": "1", "vois": 8}, {"lesion": "2", "vois": 8}]


def test_feature_sets_say_which_are_current(store, study):
    """By the study that was last published."""
    known = [{"feature_set_id": name, "family": "CR"} for name in ("cr-square", "gone")]
    store.tables["feature_sets"].write(known)
    store.publish(study)
    query = "SELECT feature_set_id, is_current FROM feature_sets ORDER BY ALL"
    assert [tuple(r.values()) for r in store.query(query).to_pylist()] == [
        ("cr-square", True),
        ("gone", False),
    ]


def test_the_view_clinical_has_the_columns_of_the_table(store, study):
    """They follow the study, not the program."""
    import pyarrow as pa

    store.tables["clinical"].replace_all(pa.table({"patient_id": ["P1"], "age of onset": [61.5]}))
    store.publish(study)
    assert store.query('SELECT "age of onset" FROM clinical').column(0).to_pylist() == [61.5]
    store.tables["clinical"].replace_all(pa.table({"patient_id": ["P1"], "mvi": pa.array([1], pa.int64())}))
    store.publish(study)
    assert store.query("FROM clinical").column_names == ["patient_id", "mvi"]


@pytest.mark.usefixtures("commented")
def test_a_clinical_column_is_not_explained_by_a_name_it_shares(store, study):
    """`mean` is a column of the statistics, and may be a variable of a study."""
    import pyarrow as pa

    store.tables["clinical"].replace_all(pa.table({"patient_id": ["P1"], "mean": [1.0]}))
    store.publish(study)
    query = (
        "SELECT comment FROM duckdb_columns() "
        "WHERE schema_name = 'main' AND table_name = 'clinical' AND column_name = 'mean'"
    )
    assert store.query(query).to_pylist() == [{"comment": "clinical variable that the study declares"}]


@pytest.mark.usefixtures("commented")
def test_every_table_and_column_has_a_comment(filled, study):
    """What users see in the schema `main`."""
    filled.publish(study)
    query = (
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE NOT internal AND schema_name = 'main' AND coalesce(comment, '') = ''"
    )
    assert filled.query(query).to_pylist() == []
    for function, column in (("duckdb_views", "view_name"), ("duckdb_tables", "table_name")):
        query = (
            f"SELECT {column} FROM {function}() "
            "WHERE NOT internal AND schema_name = 'main' AND coalesce(comment, '') = ''"
        )
        assert filled.query(query).to_pylist() == []


def test_publishing_leaves_no_file_beside_the_catalog(filled, study):
    """It is written aside and renamed, so readers see the old one or the new one."""
    filled.publish(study)
    with filled.connect() as reader:
        before = reader.execute("SELECT published_at::VARCHAR FROM catalog_info").fetchone()
        filled.publish(study)
        assert reader.execute("SELECT published_at::VARCHAR FROM catalog_info").fetchone() == before
    assert sorted(path.name for path in filled.root.iterdir()) == [".publish.lock", "mvi.duckdb", "tables"]


def test_many_threads_may_publish_at_once(filled, study):
    """Each writes aside under its own name; the last one stays, and is whole."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: filled.publish(study), range(16)))
    assert _cr(filled, study) == [("R1", "original", 7.5)]
    assert sorted(path.name for path in filled.root.glob(".publish*")) == [".publish.lock"]


def test_an_export_answers_without_the_store(filled, study, tmp_path):
    """Its views are those of the catalog, and the rows are in the file."""
    filled.publish(study)
    wanted = filled.query("SELECT * FROM features ORDER BY ALL")
    file = tmp_path / "out" / "liver.duckdb"
    with pytest.raises(StoreError, match=r"there is no directory .*; make it first"):
        filled.export(file, study)
    file.parent.mkdir()
    filled.export(file, study)
    filled.root.rename(tmp_path / "elsewhere")
    with duckdb.connect(file, read_only=True, config={"enable_external_access": False}) as connection:
        assert connection.sql("SELECT * FROM features ORDER BY ALL").to_arrow_table().equals(wanted)
        shown = connection.sql(
            "SELECT count(*) FROM duckdb_views() WHERE sql LIKE '%read_parquet%'"
        ).fetchall()
        assert shown == [(0,)]
    assert [path.name for path in file.parent.iterdir()] == ["liver.duckdb"]


def _content(file):
    """Everything in a catalog but when it was written."""
    with duckdb.connect(file, read_only=True) as connection:
        names = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal ORDER BY ALL"
        ).fetchall()
        tables = {
            name: sorted(map(repr, connection.execute(f"SELECT * FROM {schema}.{name}").fetchall()))
            for schema, name in names
            if name != "catalog_info"
        }
        views = (
            "SELECT schema_name, view_name, sql, comment FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
        )
        columns = "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() ORDER BY ALL"
        info = "SELECT * EXCLUDE (published_at) FROM catalog_info"
        return tables, *(connection.execute(text).fetchall() for text in (views, columns, info))


@pytest.fixture
def comments(monkeypatch):
    """How often the costly part of a catalog was made."""
    from mvi_ray.store import catalog

    made = []
    plain = catalog.comment_on_everything
    monkeypatch.setattr(catalog, "comment_on_everything", lambda c: (made.append(1), plain(c)))
    return made


@pytest.mark.usefixtures("commented")
def test_a_commit_renews_the_catalog_into_what_a_fresh_one_is(filled, study, rows, comments):
    """Only the scans, their versions and the time differ; views and comments are kept."""
    filled.publish(study)
    filled.tables["cr"].write([rows.cr(8.5, patient_id="P2")])
    filled.publish(study)
    assert len(comments) == 1
    assert filled.query("SELECT count(*) AS n FROM cr_all").to_pylist() == [{"n": 2}]
    renewed = _content(filled.catalog)
    filled.catalog.unlink()
    filled.publish(study)
    assert len(comments) == 2
    assert renewed == _content(filled.catalog)


def test_another_study_or_clinical_table_makes_the_catalog_anew(filled, study, comments):
    """The columns of its views are those of the study."""
    import pyarrow as pa

    filled.publish(study)
    filled.publish(replace(study, regions=(*study.regions, "liver")))
    assert len(comments) == 2
    filled.tables["clinical"].replace_all(pa.table({"patient_id": ["P1"], "afp": [3.5]}))
    filled.publish(replace(study, regions=(*study.regions, "liver")))
    assert len(comments) == 3
    assert filled.query("SELECT afp FROM clinical").to_pylist() == [{"afp": 3.5}]


def _without_source(file):
    with duckdb.connect(file) as connection:
        connection.execute("DROP TABLE raw.catalog_source")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b"no database"),
        lambda file: file.write_bytes(file.read_bytes()[:5000]),
        _without_source,
    ],
    ids=["not a catalog", "cut off", "of an earlier program"],
)
def test_a_catalog_that_cannot_be_renewed_is_made_anew(filled, study, spoil):
    """Nobody has to remove it first."""
    filled.publish(study)
    before = _content(filled.catalog)
    spoil(filled.catalog)
    filled.publish(study)
    assert _content(filled.catalog) == before


def test_a_pinned_store_begins_with_the_published_catalog(filled, study, tmp_path, comments):
    """A report or a plan waits for the scans only."""
    filled.publish(study)
    pinned = filled.pinned(tmp_path / "mvi.duckdb", study)
    assert len(comments) == 1
    assert pinned.query("SELECT count(*) AS n FROM cr_all").to_pylist() == [{"n": 1}]
