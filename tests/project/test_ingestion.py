"""`mvi ingest` through the project: what is stored, what is listed, what vanishes again."""

from __future__ import annotations

import pytest

from mvi_ray.errors import ManifestError, UsageError

_CLINICAL = "patient_id,mvi,site,age,sex,surname\nP1,1,A,61.5,female,Musterfrau\nP2,0,B,,male,Mustermann\n"


def _rows(tiny, query):
    return [tuple(row.values()) for row in tiny.open().sql(query).to_pylist()]


def _clinical(tiny, text=_CLINICAL):
    tiny.data.mkdir(exist_ok=True)
    path = tiny.data / "clinical.csv"
    path.write_text(text)
    return tiny.open().ingest(clinical=path)


def test_ingesting_again_changes_nothing_but_the_time(tiny):
    """Same digests, same rows, one file for each volume."""
    tiny.add("P1", axes="RAS")
    query = "SELECT phase, region, mask_digest, input_digest, source_orientation FROM masks ORDER BY ALL"
    before = _rows(tiny, query), sorted(tiny.folder.rglob("*.nii.gz"))
    summary = tiny.open().ingest(tiny.manifest)
    assert (summary.images, summary.masks, summary.unchanged, summary.left_out) == (0, 0, 2, 0)
    assert (_rows(tiny, query), sorted(tiny.folder.rglob("*.nii.gz"))) == before
    assert {row[-1] for row in before[0]} == {"RAS"}


def test_a_bad_mask_is_listed_and_its_siblings_go_in(tiny):
    """The quarantine holds the case until a corrected mask comes."""
    for phase in ("AP", "PP"):
        tiny.write_case("P1", phase)
    tiny.write_case("P1", "PP", radius=0.1)
    manifest = tiny.write_manifest([("P1", "AP"), ("P1", "PP")])
    summary = tiny.open().ingest(manifest)
    assert (summary.images, summary.masks, summary.left_out) == (2, 2, 1)
    query = "SELECT stage, family, patient_id, phase, reader, reason FROM quarantine"
    assert _rows(tiny, query) == [("ingest", "-", "P1", "PP", "R1", "mask is a single voxel")]
    assert _rows(tiny, "SELECT DISTINCT phase FROM masks") == [("AP",)]
    tiny.write_case("P1", "PP")
    assert tiny.open().ingest(manifest).left_out == 0
    assert _rows(tiny, query) == []


def test_a_line_that_cannot_be_read_is_listed_until_it_is_corrected(tiny):
    """Also when its patient has no other line."""
    tiny.write_case("P1", "AP")
    bad = "P2,XX,P1-AP-image.nii.gz,P1-AP-mask-R1.nii.gz,R1\n"
    summary = tiny.open().ingest(tiny.write_manifest([("P1", "AP")], more=bad))
    assert summary.left_out == 1
    query = "SELECT patient_id, phase, reason FROM quarantine"
    assert _rows(tiny, query) == [("P2", "XX", "the study has no phase 'XX'")]
    worse = bad.replace("XX", "YY")
    tiny.open().ingest(tiny.write_manifest([("P1", "AP")], more=worse))
    assert [row[1] for row in _rows(tiny, query)] == ["YY"]
    tiny.open().ingest(tiny.write_manifest([("P1", "AP")], more=bad.replace("XX", "PP")))
    assert _rows(tiny, query) == []


def test_problems_of_other_patients_stay_listed(tiny):
    """An ingest speaks for the patients of its manifest only."""
    for patient in ("P1", "P2"):
        tiny.write_case(patient, "AP", radius=0.1)
        tiny.open().ingest(tiny.write_manifest([(patient, "AP")]))
    assert _rows(tiny, "SELECT patient_id FROM quarantine ORDER BY ALL") == [("P1",), ("P2",)]


def test_a_mask_of_an_image_that_was_replaced_is_listed(tiny):
    """Reader R2 drew on the image before; R1 came with the new one."""
    tiny.write_case("P1", "AP")
    tiny.open().ingest(tiny.write_manifest([("P1", "AP")]))
    tiny.write_case("P1", "AP", reader="R2")
    tiny.open().ingest(tiny.write_manifest([("P1", "AP")], reader="R2"))
    tiny.write_case("P1", "AP", peak=50)
    summary = tiny.open().ingest(tiny.write_manifest([("P1", "AP")]))
    reasons = {(p.reader, p.region, p.reason) for p in summary.problems if p.severity == "error"}
    why = "the mask was drawn on an image that has since been replaced"
    assert reasons == {("R2", "intratumoral", why), ("R2", "peritumoral", why)}


def test_what_stays_in_use_is_told_of_masks_that_do(tiny):
    """A line that is wrong leaves its mask in the store; it counts as long as its image does."""
    for reader in ("R1", "R2"):
        tiny.write_case("P1", "AP", reader=reader)
        tiny.open().ingest(tiny.write_manifest([("P1", "AP")], reader=reader))
    twice = "P1,AP,other.nii.gz,P1-AP-mask-R2.nii.gz,R2\n"

    def said():
        summary = tiny.open().ingest(tiny.write_manifest([("P1", "AP")], more=twice))
        (problem,) = [p for p in summary.problems if p.region is None and p.severity == "error"]
        assert "another image is given" in problem.reason
        return problem.way_out

    assert said().endswith("; until then the one in the store stays in use")
    tiny.write_case("P1", "AP", peak=50)
    assert "stays in use" not in said()
    assert _rows(tiny, "SELECT DISTINCT reader FROM cr") == []


def test_a_ring_that_cannot_be_made_from_a_new_mask_does_not_live_on(tiny):
    """The study now asks for one that is thinner than a voxel."""
    tiny.add("P1", ["AP"])
    tiny.write_case("P1", "AP", radius=4)
    tiny.write_study(ring_mm=0.5)
    summary = tiny.open().ingest(tiny.manifest)
    assert summary.left_out == 1
    assert _rows(tiny, "SELECT region FROM masks") == [("intratumoral",)]
    assert _rows(tiny, "SELECT region FROM quarantine") == [("peritumoral",)]
    states = "SELECT phase, state FROM coverage WHERE region = 'peritumoral' GROUP BY ALL ORDER BY ALL"
    assert _rows(tiny, states) == [("AP", "no mask"), ("PP", "no image")]


def test_only_declared_columns_of_the_clinical_table_are_stored(tiny):
    """A surname stays outside, in the table and in every file of the store."""
    summary = _clinical(tiny)
    assert (summary.clinical, summary.left_out) == (2, 0)
    assert tiny.open().sql("FROM clinical").column_names == ["patient_id", "mvi", "site", "age", "sex"]
    assert _rows(tiny, "SELECT * FROM clinical ORDER BY ALL") == [
        ("P1", 1, "A", 61.5, "female"),
        ("P2", 0, "B", None, "male"),
    ]
    assert _rows(tiny, "SELECT patient_id, centre FROM patients ORDER BY ALL") == [("P1", "A"), ("P2", "B")]
    content = b"".join(path.read_bytes() for path in (tiny.folder / "store").rglob("*") if path.is_file())
    assert b"Muster" not in content


def test_clinical_tables_are_joined_patient_by_patient(tiny):
    """A second table adds a patient and a value, and leaves what it does not name."""
    _clinical(tiny)
    summary = _clinical(tiny, "patient_id,age\nP2,70\nP3,55\n")
    assert summary.clinical == 3
    assert _rows(tiny, "SELECT patient_id, mvi, age FROM clinical ORDER BY ALL") == [
        ("P1", 1, 61.5),
        ("P2", 0, 70.0),
        ("P3", None, 55.0),
    ]


def test_a_missing_outcome_is_a_note_and_not_an_error(tiny):
    """Features can be extracted without it."""
    summary = _clinical(tiny, "patient_id,age\nP1,60\n")
    assert summary.left_out == 0
    assert any("no outcome column 'mvi'" in p.reason for p in summary.problems)
    tiny.add("P1", ["AP"])
    assert tiny.open().status().with_outcome == 0


def test_a_variable_that_changed_its_kind_does_not_stop_an_ingest(tiny):
    """Values read as numbers before are no levels now, and the other way round."""
    _clinical(tiny, "patient_id,age\nP1,60\nP2,70\n")
    study = (tiny.folder / "study.yaml").read_text()
    (tiny.folder / "study.yaml").write_text(
        study.replace("age: {unit: years}", "age: {kind: categorical, levels: [young, old]}")
    )
    summary = _clinical(tiny, "patient_id,age\nP1,old\n")
    assert _rows(tiny, "SELECT patient_id, age FROM clinical ORDER BY ALL") == [("P1", "old"), ("P2", None)]
    assert [(p.severity, p.patient_id) for p in summary.problems if "age" in p.reason] == [("warning", "P2")]


def test_a_centre_that_differs_from_the_manifest_is_listed(tiny):
    """Which of the two is kept is told: a study that names the column keeps both, each in its table."""
    tiny.write_case("P1", "AP")
    tiny.manifest.write_text(
        "patient_id,phase,image,mask,centre\nP1,AP,P1-AP-image.nii.gz,P1-AP-mask-R1.nii.gz,Z\n"
    )
    clinical = tiny.data / "clinical.csv"
    clinical.write_text(_CLINICAL)
    summary = tiny.open().ingest(tiny.manifest, clinical)
    (problem,) = [p for p in summary.problems if p.severity == "error"]
    assert problem.reason == "centre is 'A' in the clinical table and 'Z' in the store"
    assert problem.way_out.endswith("; until then clinical.site holds the first, patients.centre the second")
    assert _rows(tiny, "SELECT site FROM clinical WHERE patient_id = 'P1'") == [("A",)]
    assert _rows(tiny, "SELECT patient_id, centre FROM patients ORDER BY ALL") == [("P1", "Z"), ("P2", "B")]


def test_nothing_is_written_when_one_of_the_files_cannot_be_read(tiny):
    """Both are read before the first write."""
    tiny.write_case("P1", "AP")
    manifest = tiny.write_manifest([("P1", "AP")])
    with pytest.raises(ManifestError, match="clinical table"):
        tiny.open().ingest(manifest, tiny.data / "absent.csv")
    assert not (tiny.folder / "store").exists()


def test_ingesting_nothing_is_wrong_usage(tiny):
    """One of the two files is needed."""
    with pytest.raises(UsageError, match="give a manifest, a clinical table"):
        tiny.open().ingest()


def test_a_mask_that_became_bad_takes_its_values_out_of_use(extracted):
    """The old mask was replaced by one that cannot be read: models must not go on with the old one."""
    before = extracted.open().sql("SELECT count(*) AS n FROM cr").column("n")[0].as_py()
    extracted.write_case("P1", "AP", radius=0.1)
    summary = extracted.open().ingest(extracted.write_manifest([("P1", "AP")]))
    assert summary.left_out == 1
    project = extracted.open()
    assert project.sql("SELECT count(*) AS n FROM cr").column("n")[0].as_py() == before - 4
    state = "SELECT DISTINCT state FROM coverage WHERE patient_id = 'P1' AND phase = 'AP'"
    assert project.sql(state).column(0).to_pylist() == ["no mask"]
    # The good mask comes back: its values were kept, and nothing is computed again.
    extracted.write_case("P1", "AP")
    extracted.open().ingest(extracted.manifest)
    assert extracted.extract().planned == 0
    assert extracted.open().sql("SELECT count(*) AS n FROM cr").column("n")[0].as_py() == before


def test_an_image_that_became_bad_takes_its_values_out_of_use(extracted):
    """Like a mask."""
    extracted.write_case("P1", "AP")
    path = extracted.data / "P1-AP-image.nii.gz"
    path.write_bytes(path.read_bytes()[:50])
    summary = extracted.open().ingest(extracted.write_manifest([("P1", "AP")]))
    assert summary.left_out >= 1
    query = "SELECT count(*) AS n FROM features WHERE patient_id = 'P1' AND phase = 'AP'"
    assert extracted.open().sql(query).column("n")[0].as_py() == 0


def test_patients_of_only_one_file_are_told(tiny):
    """P01 in the manifest and 1 in the clinical table are the commonest first mistake."""
    tiny.write_case("P01", "AP")
    table = tiny.data / "clinical.csv"
    table.write_text("patient_id,mvi\n1,0\n2,1\n", encoding="utf-8")
    summary = tiny.open().ingest(tiny.write_manifest([("P01", "AP")]), table)
    said = [p.reason for p in summary.problems]
    assert "no patient has both images and clinical values" in said
    table.write_text("patient_id,mvi\nP01,0\n2,1\n", encoding="utf-8")
    said = [p.reason for p in tiny.open().ingest(None, table).problems]
    assert "patients with clinical values but no image: 2 (1, 2)" in said


def test_a_phase_that_the_store_has_is_not_missing(tiny):
    """A second manifest brings the other phase."""
    tiny.add("P1", ["AP"])
    tiny.write_case("P1", "PP")
    summary = tiny.open().ingest(tiny.write_manifest([("P1", "PP")]))
    assert [p.reason for p in summary.problems] == []


def _unlisted(summary):
    return [(p.severity, p.reason) for p in summary.problems if "no line in it any more" in p.reason]


def test_images_whose_lines_were_removed_are_told(tiny):
    """By their number only; those of another manifest, of other patients or another phase, are not."""
    cases = [("P1", "AP"), ("P1", "PP"), ("P2", "AP"), ("P3", "AP")]
    for case in cases:
        tiny.write_case(*case)
    assert _unlisted(tiny.open().ingest(tiny.write_manifest(cases[2:]))) == []
    assert _unlisted(tiny.open().ingest(tiny.write_manifest(cases[:2]))) == []
    assert _unlisted(tiny.open().ingest(tiny.write_manifest(cases[2:]))) == []
    # P3 and a phase of P1 leave the manifests that brought them in.
    for case, now in ((("P2", "AP"), "1 image of 1 patient"), (("P1", "AP"), "1 image of 1 patient")):
        for _ in range(2):
            told = _unlisted(tiny.open().ingest(tiny.write_manifest([case])))
            assert [severity for severity, _ in told] == ["warning"]
            assert told[0][1].startswith(f"{now}, stored together with images of this manifest, has no line")
            assert "P3" not in told[0][1]
    both = _unlisted(tiny.open().ingest(tiny.write_manifest([("P1", "AP"), ("P2", "AP")])))
    assert both[0][1].startswith("2 images of 2 patients, stored together")
    assert len(_rows(tiny, "FROM images")) == 4


def test_line_that_cannot_be_read_is_not_taken_for_a_removed_one(tiny):
    """It has its own problem."""
    for phase in ("AP", "PP"):
        tiny.write_case("P1", phase)
    tiny.open().ingest(tiny.write_manifest([("P1", "AP"), ("P1", "PP")]))
    bad = "P1,PP,P1-PP-image.nii.gz,P1-PP-mask-R1.nii.gz,R9\n"
    summary = tiny.open().ingest(tiny.write_manifest([("P1", "AP")], more=bad))
    assert summary.left_out == 1
    assert _unlisted(summary) == []


def test_region_that_the_study_has_no_longer_leaves_the_masks(tiny):
    """It is told once, and the images are left alone afterwards; its values stay, and come back with it."""
    tiny.add("P1", ["AP", "PP"])
    tiny.extract(families=["CR"])
    query = "SELECT DISTINCT region FROM masks ORDER BY ALL"
    values = "SELECT count(*) FROM cr WHERE region = 'peritumoral'"
    count = _rows(tiny, values)
    study = (tiny.folder / "study.yaml").read_text(encoding="utf-8")
    ring = "regions:\n  peritumoral: {kind: ring, outer_mm: 4, clip: none}\n"
    assert ring in study
    (tiny.folder / "study.yaml").write_text(study.replace(ring, ""), encoding="utf-8")
    said = [
        [p.reason for p in tiny.open().ingest(tiny.manifest).problems if "left the store" in p.reason]
        for _ in range(2)
    ]
    assert said == [
        ["2 masks are of regions that manifest and study do not have any more, and left the store"],
        [],
    ]
    assert _rows(tiny, query) == [("intratumoral",)]
    assert tiny.open().ingest(tiny.manifest).unchanged == 2
    (tiny.folder / "study.yaml").write_text(study, encoding="utf-8")
    assert tiny.open().ingest(tiny.manifest).images == 2
    assert _rows(tiny, query) == [("intratumoral",), ("peritumoral",)]
    assert _rows(tiny, values) == count != [(0,)]
