"""Which images of a manifest are read again, and which are left alone."""

from __future__ import annotations

import gzip
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mvi_ray.errors import StoreError
from mvi_ray.project import conversion

if TYPE_CHECKING:
    from pathlib import Path

    from mvi_ray.project.ingestion import IngestSummary
    from tests.conftest import TinyProject

CASES = [("P1", "AP"), ("P1", "PP"), ("P2", "AP")]


@pytest.fixture
def stored(tiny: TinyProject) -> TinyProject:
    """Three images in the store."""
    for case, radius in zip(CASES, (3.2, 3.2, 3.8), strict=True):
        tiny.write_case(*case, radius=radius)
    summary = tiny.open().ingest(tiny.write_manifest(CASES))
    assert (summary.images, summary.masks, summary.unchanged, summary.replaced) == (3, 6, 0, 0)
    return tiny


@pytest.fixture
def again(stored: TinyProject, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ingest the manifest again; returns what was done and which images were read for it."""
    whole = conversion.read_case

    def ingest() -> tuple[IngestSummary, list[tuple[str, str]]]:
        read: list[tuple[str, str]] = []

        def counted(rows: Any, *args: Any) -> Any:
            read.append((rows[0][1].patient_id, rows[0][1].phase))
            return whole(rows, *args)

        with monkeypatch.context() as patch:
            patch.setattr(conversion, "read_case", counted)
            return stored.open().ingest(stored.manifest), sorted(read)

    return ingest


def _counts(summary: IngestSummary) -> tuple[int, int, int, int, int]:
    return summary.images, summary.masks, summary.unchanged, summary.replaced, summary.left_out


def _volumes(tiny: TinyProject, kind: str) -> list[Path]:
    return sorted((tiny.folder / "store" / kind).rglob("*.nii.gz"))


def _rows(tiny: TinyProject, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in tiny.open().sql(query).to_pylist()]


def test_unchanged_images_are_not_read_again(stored: TinyProject, again: Any) -> None:
    """Neither rows nor volumes change, also when files were copied over with the same bytes."""
    query = "SELECT * FROM images JOIN masks USING (patient_id, session, phase) ORDER BY ALL"
    before = _rows(stored, query), {path: path.stat().st_mtime_ns for path in _volumes(stored, "")}
    for path in stored.data.iterdir():
        path.write_bytes(path.read_bytes())
    summary, read = again()
    assert (_counts(summary), read) == ((0, 0, 3, 0, 0), [])
    assert summary.patients == 0
    after = _rows(stored, query), {path: path.stat().st_mtime_ns for path in _volumes(stored, "")}
    assert after == before
    assert len(before[1]) == 7


def test_a_changed_mask_replaces_the_old_one_and_is_counted(stored: TinyProject, again: Any) -> None:
    """With its ring; only its image is read, and features of both are stale, visibly."""
    stored.extract(families=["CR"])
    stored.write_case("P1", "PP", radius=2.6)
    summary, read = again()
    assert (_counts(summary), read) == ((1, 2, 2, 2, 0), [("P1", "PP")])
    states = "SELECT state, count(*) FROM coverage WHERE family = 'CR' AND phase = 'PP' AND patient_id = 'P1'"
    found = _rows(stored, f"{states} GROUP BY ALL")
    assert [count for _, count in found] == [2]
    assert found[0][0] != "complete"
    assert _rows(stored, "SELECT count(*) FROM cr_all WHERE patient_id = 'P1' AND phase = 'PP'") != [(0,)]
    assert _rows(stored, "SELECT count(*) FROM cr WHERE patient_id = 'P1' AND phase = 'PP'") == [(0,)]
    assert _counts(again()[0]) == (0, 0, 3, 0, 0)


def test_a_changed_image_replaces_what_its_masks_feed_on(stored: TinyProject, again: Any) -> None:
    """The masks are the same; the features of both regions are others."""
    stored.write_case("P2", "AP", radius=3.8, peak=40)
    summary, read = again()
    assert (_counts(summary), read) == ((1, 2, 2, 2, 0), [("P2", "AP")])


def test_another_region_is_made_from_the_masks_that_are_there(stored: TinyProject, again: Any) -> None:
    """All are read; the tumours stay what they were, and the wider rings replace the old ones."""
    stored.write_study(ring_mm=5)
    summary, read = again()
    assert (_counts(summary), read) == ((3, 6, 0, 3, 0), sorted(CASES))


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_an_image_whose_stored_volume_is_gone_is_read_again(
    stored: TinyProject, again: Any, kind: str
) -> None:
    """The file comes back under its digest; nothing counts as replaced."""
    rows = stored.open().store.tables[kind].read(["patient_id", "path"]).to_pylist()
    lost = stored.folder / "store" / next(row["path"] for row in rows if row["patient_id"] == "P2")
    content = gzip.decompress(lost.read_bytes())
    lost.unlink()
    summary, read = again()
    assert (_counts(summary), read) == ((1, 2, 2, 0, 0), [("P2", "AP")])
    assert gzip.decompress(lost.read_bytes()) == content
    assert _counts(again()[0]) == (0, 0, 3, 0, 0)


def test_an_organ_that_is_gone_is_made_again(tiny: TinyProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lies beside the masks and is needed to make regions anew."""
    tiny.write_case("P1", "AP")
    tiny.write_case("P1", "AP", reader="liver", radius=6, image=False)
    tiny.data.joinpath("m.csv").write_text(
        "patient_id,phase,image,mask,organ_mask,organ_label\n"
        "P1,AP,P1-AP-image.nii.gz,P1-AP-mask-R1.nii.gz,P1-AP-mask-liver.nii.gz,1\n"
    )
    manifest = tiny.data / "m.csv"
    assert tiny.open().ingest(manifest).unchanged == 0
    assert tiny.open().ingest(manifest).unchanged == 1
    (organ,) = {row["organ_path"] for row in tiny.open().store.tables["masks"].read().to_pylist()}
    (tiny.folder / "store" / organ).unlink()
    assert tiny.open().ingest(manifest).unchanged == 0
    assert (tiny.folder / "store" / organ).is_file()


def test_an_image_with_a_mask_that_was_left_out_is_looked_at_again(stored: TinyProject, again: Any) -> None:
    """Its problem is told each time, until the mask is corrected."""
    stored.write_case("P1", "AP", radius=0.1)
    for _ in range(2):
        summary, read = again()
        assert (_counts(summary), read) == ((1, 0, 2, 0, 1), [("P1", "AP")])
    stored.write_case("P1", "AP")
    summary, read = again()
    assert (_counts(summary), read) == ((1, 2, 2, 0, 0), [("P1", "AP")])
    assert _counts(again()[0]) == (0, 0, 3, 0, 0)


def test_an_image_that_cannot_be_read_is_tried_again(stored: TinyProject, again: Any) -> None:
    """And leaves the store meanwhile, so the good file of before is read, too."""
    path = stored.data / "P2-AP-image.nii.gz"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    for _ in range(2):
        summary, read = again()
        assert (_counts(summary), read) == ((0, 0, 2, 0, 1), [("P2", "AP")])
    assert _rows(stored, "SELECT count(*) FROM images") == [(2,)]
    path.write_bytes(content)
    summary, read = again()
    assert (summary.images, read) == (1, [("P2", "AP")])


def test_voxels_beside_their_header_are_read_each_time(tiny: TinyProject) -> None:
    """Nothing is known from the header alone: a change of the voxels is found."""
    import SimpleITK as sitk

    tiny.write_case("P1", "AP")
    image = sitk.ReadImage(str(tiny.data / "P1-AP-image.nii.gz"))
    sitk.WriteImage(image, str(tiny.data / "i.nhdr"))
    (tiny.data / "m.csv").write_text("patient_id,phase,image,mask\nP1,AP,i.nhdr,P1-AP-mask-R1.nii.gz\n")
    first = tiny.open().ingest(tiny.data / "m.csv")
    # ITK copies the keys of the NIfTI header, which say nothing of this file.
    assert "vox_offset" in (tiny.data / "i.nhdr").read_text()
    assert (first.images, first.left_out) == (1, 0)
    summary = tiny.open().ingest(tiny.data / "m.csv")
    assert (summary.images, summary.unchanged, summary.replaced) == (1, 0, 0)
    sitk.WriteImage(image + 1, str(tiny.data / "i.nhdr"))
    assert tiny.open().ingest(tiny.data / "m.csv").replaced == 2


def test_a_mask_that_serves_another_phase_is_watched_there_too(tiny: TinyProject) -> None:
    """PP has no mask of its own; when that of AP changes, both are made anew."""
    tiny.write_study(more="masks: {PP: {from: AP}}\n")
    for phase in ("AP", "PP"):
        tiny.write_case("P1", phase)
    (tiny.data / "m.csv").write_text(
        "patient_id,phase,image,mask\n"
        "P1,AP,P1-AP-image.nii.gz,P1-AP-mask-R1.nii.gz\nP1,PP,P1-PP-image.nii.gz,\n"
    )
    assert tiny.open().ingest(tiny.data / "m.csv").images == 2
    assert tiny.open().ingest(tiny.data / "m.csv").unchanged == 2
    tiny.write_case("P1", "AP", radius=2.6)
    summary = tiny.open().ingest(tiny.data / "m.csv")
    assert (summary.images, summary.unchanged, summary.replaced) == (2, 0, 4)
    query = "SELECT phase, carried_from FROM masks WHERE region = 'intratumoral' ORDER BY ALL"
    assert _rows(tiny, query) == [("AP", None), ("PP", "AP")]
    assert len(_rows(tiny, "SELECT DISTINCT volume_mm3 FROM masks WHERE region = 'intratumoral'")) == 1


def test_an_image_whose_masks_are_gone_is_read_again(stored: TinyProject, again: Any) -> None:
    """`mvi store check --repair` takes rows out that cannot be mended, and says to ingest again."""
    query = "SELECT * EXCLUDE (ingested_at) FROM masks ORDER BY ALL"
    before = _rows(stored, query)
    stored.open().store.tables["masks"].delete({"patient_id": "P2"})
    summary, read = again()
    assert (_counts(summary), read) == ((1, 2, 2, 0, 0), [("P2", "AP")])
    assert _rows(stored, query) == before


CARRY = "masks: {PP: {from: AP}}\n"


def _lines(*cells: str) -> str:
    return "\n".join(["patient_id,phase,image,mask,reader,region", *cells]) + "\n"


def _ap(mask: str = "P1-AP-mask-R1.nii.gz", reader: str = "R1") -> str:
    return f"P1,AP,P1-AP-image.nii.gz,{mask},{reader},"


def test_a_region_drawn_by_hand_is_never_taken_for_the_tumour(tiny: TinyProject) -> None:
    """PP takes the tumour of AP, and has a file of a region only: its line has no drawn tumour."""
    tiny.write_study(more=CARRY)
    for phase in ("AP", "PP"):
        tiny.write_case("P1", phase)
    tiny.manifest.write_text(
        _lines(
            _ap(),
            "P1,PP,P1-PP-image.nii.gz,,R1,",
            "P1,PP,P1-PP-image.nii.gz,P1-PP-mask-R1.nii.gz,R1,peritumoral",
        )
    )
    summary = tiny.open().ingest(tiny.manifest)
    (problem,) = [p for p in summary.problems if p.severity == "error"]
    assert (problem.line, problem.region) == (4, "peritumoral")
    found = _rows(tiny, "SELECT phase, region, carried_from FROM masks ORDER BY ALL")
    assert found == [
        ("AP", "intratumoral", None),
        ("AP", "peritumoral", None),
        ("PP", "intratumoral", "AP"),
        ("PP", "peritumoral", "AP"),
    ]


def test_a_carried_mask_goes_with_the_mask_it_was_carried_from(tiny: TinyProject) -> None:
    """AP is drawn anew and ingested alone: PP must not go on with the old tumour."""
    tiny.write_study(more=CARRY)
    for phase in ("AP", "PP"):
        tiny.write_case("P1", phase)
    tiny.manifest.write_text(_lines(_ap(), "P1,PP,P1-PP-image.nii.gz,,R1,"))
    assert tiny.open().ingest(tiny.manifest).left_out == 0
    tiny.write_case("P1", "AP", radius=2.6)
    alone = tiny.data / "alone.csv"
    alone.write_text(_lines(_ap()))
    summary = tiny.open().ingest(alone)
    assert {(p.phase, p.region) for p in summary.problems if p.severity == "error"} == {
        ("PP", "intratumoral"),
        ("PP", "peritumoral"),
    }
    assert _rows(tiny, "SELECT count(*) FROM masks WHERE phase = 'PP'") == [(0,)]
    assert tiny.open().ingest(tiny.manifest).left_out == 0
    assert _rows(tiny, "SELECT count(*) FROM masks WHERE phase = 'PP'") == [(2,)]


def test_a_consensus_goes_with_the_readers_it_was_of(tiny: TinyProject) -> None:
    """One of two readers draws anew and is ingested alone: there is no consensus until both come."""
    tiny.write_study()
    study = tiny.folder / "study.yaml"
    old = "readers: {model: R1, compare: [R2]}"
    text = study.read_text(encoding="utf-8")
    assert old in text
    new = "readers: {model: R1, compare: [R2], consensus: {method: majority}}"
    study.write_text(text.replace(old, new), encoding="utf-8")
    for reader in ("R1", "R2"):
        tiny.write_case("P1", "AP", reader=reader)
    tiny.manifest.write_text(_lines(_ap(), _ap("P1-AP-mask-R2.nii.gz", "R2")))
    tiny.open().ingest(tiny.manifest)
    query = "SELECT DISTINCT reader FROM masks ORDER BY ALL"
    assert _rows(tiny, query) == [("CONS",), ("R1",), ("R2",)]
    tiny.write_case("P1", "AP", radius=2.6)
    alone = tiny.data / "alone.csv"
    alone.write_text(_lines(_ap()))
    tiny.open().ingest(alone)
    assert _rows(tiny, query) == [("R1",), ("R2",)]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (
            RuntimeError("/data/Müller: PatientName"),
            "image and masks could not be read: an unexpected Runtim",
        ),
        (MemoryError("/data/Müller"), "there is not enough memory for the image with its masks"),
        (OSError(5, "Input/output error", "/data/Müller.nii"), "a file cannot be read: Input/output error"),
        (OSError("/data/Müller"), "a file cannot be read: the system does not say why"),
    ],
)
def test_whatever_a_library_raises_costs_its_case_only(
    tiny: TinyProject, monkeypatch: pytest.MonkeyPatch, fault: Exception, reason: str
) -> None:
    """It stands in the quarantine, without the words of the error: these may hold a path or a header."""
    whole = conversion.read_case

    def read(rows: Any, *args: Any) -> Any:
        if rows[0][1].phase == "PP":
            raise fault
        return whole(rows, *args)

    for case in CASES:
        tiny.write_case(*case)
    monkeypatch.setattr(conversion, "read_case", read)
    summary = tiny.open().ingest(tiny.write_manifest(CASES))
    assert _counts(summary) == (2, 4, 0, 0, 1)
    (problem,) = [p for p in summary.problems if p.severity == "error"]
    assert (problem.patient_id, problem.phase, problem.line) == ("P1", "PP", 3)
    assert problem.reason.startswith(reason)
    assert problem.way_out
    rows = _rows(tiny, "SELECT patient_id, phase, reason, way_out FROM quarantine")
    assert rows == [("P1", "PP", problem.reason, problem.way_out)]
    assert "Müller" not in str(rows)


def test_store_that_cannot_be_written_ends_the_ingest(
    stored: TinyProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is no fault of a case: what is stored of it stays in use."""

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device", "/store")

    stored.write_case("P2", "AP", radius=2.6)
    monkeypatch.setattr(conversion, "save_volume", full)
    with pytest.raises(
        StoreError, match="could not be written to the store: No space left on device; check the disk"
    ):
        stored.open().ingest(stored.manifest)
    assert _rows(stored, "SELECT count(*) FROM images") == [(3,)]


@pytest.mark.parametrize(("memory", "together"), [(0, 1), (1 << 40, 2)])
def test_images_are_read_together_as_far_as_memory_goes(
    tiny: TinyProject, monkeypatch: pytest.MonkeyPatch, memory: int, together: int
) -> None:
    """One is read at a time where there is none for two, whatever the number of cores."""
    whole, inside, most = conversion.read_case, 0, 0
    lock, met = threading.Lock(), threading.Barrier(together)

    def counted(rows: Any, *args: Any) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        # Where there is memory they meet here; else nobody waits for another one.
        met.wait(timeout=60)
        try:
            return whole(rows, *args)
        finally:
            with lock:
                inside -= 1

    cases = [(f"P{at}", "AP") for at in range(4)]
    for case in cases:
        tiny.write_case(*case)
    monkeypatch.setattr(conversion, "read_case", counted)
    monkeypatch.setattr(conversion, "available_memory", lambda: memory)
    monkeypatch.setattr(conversion.os, "cpu_count", lambda: 2)
    assert tiny.open().ingest(tiny.write_manifest(cases)).images == 4
    assert most == together
