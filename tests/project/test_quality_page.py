"""`mvi quality`: the page over a store, what it keeps, and that erasure takes it along."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from mvi_ray.cli.app import app
from mvi_ray.errors import StoreError
from mvi_ray.project import erasure, quality_page
from mvi_ray.project.quality_files import quality_locked
from mvi_ray.store.schemas import TABLES
from mvi_ray.store.store import Store
from mvi_ray.store.tables import Table

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def _pictures(tiny):
    return sorted(path.name for path in (tiny.folder / "quality").glob("*.webp"))


def _html(tiny):
    return (tiny.folder / "quality.html").read_text(encoding="utf-8")


def _kinds(page, patient=None):
    return {(w.phase, w.kind) for w in page.warnings if patient in (None, w.patient_id)}


def _move_mask(tiny, patient, phase, by, reader="R1"):
    """Shift the drawn mask by voxels (z, y, x)."""
    path = tiny.data / f"{patient}-{phase}-mask-{reader}.nii.gz"
    mask = sitk.ReadImage(str(path))
    moved = sitk.GetImageFromArray(np.roll(sitk.GetArrayFromImage(mask), by, (0, 1, 2)))
    moved.CopyInformation(mask)
    sitk.WriteImage(moved, str(path))


@pytest.fixture
def two(tiny):
    """Two patients of one reader and two phases each, with a bin width."""
    tiny.write_study(binning="bin_width: 2")
    tiny.add("P1")
    tiny.add("Müller <7>", ["AP"])
    return tiny


def test_every_image_has_a_picture_and_what_is_missing_is_said(two):
    """The page, its pictures and what was measured with them; nothing else is written."""
    page = two.open().quality_page()
    assert (page.path, page.pictures, page.drawn) == (two.folder / "quality.html", 3, 3)
    assert len(_pictures(two)) == 3
    assert len(list((two.folder / "quality").iterdir())) == 6
    assert not list(two.folder.glob(".mvi-*"))
    assert ("PP", "no-image") in _kinds(page, "Müller <7>")
    html = _html(two)
    assert "Müller &lt;7&gt;" in html
    assert "Müller <7>" not in html
    assert html.count("data:image/webp;base64,") == 3


def test_only_what_changed_is_drawn_again(two):
    """A new mask makes a new picture, and the old one goes."""
    first = two.open().quality_page()
    before = {name: (two.folder / "quality" / name).stat().st_mtime_ns for name in _pictures(two)}
    assert two.open().quality_page().drawn == 0
    assert before == {name: (two.folder / "quality" / name).stat().st_mtime_ns for name in _pictures(two)}
    two.add("P1", ["AP"], radius=4.5)
    again = two.open().quality_page()
    assert (again.drawn, again.pictures) == (1, first.pictures)
    assert len(set(_pictures(two)) & set(before)) == 2
    assert len(_pictures(two)) == 3


def test_what_was_damaged_is_drawn_again_and_files_of_the_user_stay(two):
    """Also what a kill left, where measures are there without a picture."""
    two.open().quality_page()
    folder = two.folder / "quality"
    one, other, _ = _pictures(two)
    (folder / one).unlink()
    (folder / other).with_suffix(".json").write_text("{")
    (folder / "notes.txt").write_text("mine")
    (folder / f"{'0' * 32}.webp").write_bytes(b"of an image that is gone")
    assert two.open().quality_page().drawn == 2
    assert len(_pictures(two)) == 3
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_tumour_is_measured_where_it_was_drawn(two):
    """Against the voxels of the files: range, levels of a width of 2, overlap of the readers."""
    two.write_case("P1", "AP", reader="R2", radius=4.4, image=False)
    two.open().ingest(
        two.write_manifest([("P1", "AP")], more="P1,AP,P1-AP-image.nii.gz,P1-AP-mask-R2.nii.gz,R2\n")
    )
    two.open().quality_page()
    image, mask, other = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(two.data / f"P1-AP-{name}.nii.gz")))
        for name in ("image", "mask-R1", "mask-R2")
    )
    inside = image[mask != 0]
    levels = int(inside.max() // 2 - inside.min() // 2) + 1
    common = 2 * (mask & other).sum() / (mask.sum() + other.sum())
    html = _html(two)
    assert f"<td>{inside.min():.0f}–{inside.max():.0f}</td>" in html
    assert f"<td>{levels}</td>" in html
    assert f"<td>{common:.2f}</td>" in html
    assert "tumour of another reader" in html


def test_the_modelling_reader_is_the_one_of_the_picture(two):
    """Whoever comes first by name; another reader only where the modelling one drew nothing."""
    two.write_study(binning="bin_width: 2")
    study = two.folder / "study.yaml"
    study.write_text(study.read_text().replace("model: R1, compare: [R2]", "model: R2, compare: [R1]"))
    two.write_case("P1", "AP", reader="R2", image=False)
    two.open().ingest(
        two.write_manifest([("P1", "AP")], more="P1,AP,P1-AP-image.nii.gz,P1-AP-mask-R2.nii.gz,R2\n")
    )
    two.open().quality_page()
    first = _html(two).split('<th scope="row">R')[1:]
    assert [part[0] for part in first[:3]] == ["1", "2", "1"]


def test_faults_are_found_in_the_store(two):
    """A tumour at the border, one that lies elsewhere in the other phase, one that is tiny."""
    for phase, by in (("AP", (0, -5, 0)), ("PP", (0, 0, 0))):
        two.write_case("P1", phase)
        _move_mask(two, "P1", phase, by)
    two.write_case("P3", "AP", radius=1.2)
    two.open().ingest(two.write_manifest([("P1", "AP"), ("P1", "PP"), ("P3", "AP")]))
    page = two.open().quality_page()
    assert {("AP", "border")} <= _kinds(page, "P1")
    assert {("AP", "tiny")} <= _kinds(page, "P3")
    assert ("PP", "border") not in _kinds(page, "P1")
    assert page.kinds == {kind: sum(w.kind == kind for w in page.warnings) for kind in page.kinds}


def test_a_ring_that_was_mostly_cut_off_is_said_with_its_share(two):
    """An organ of which the ring keeps less than half; shares are those of the table."""
    study = two.folder / "study.yaml"
    study.write_text(study.read_text().replace("clip: none", "clip: organ"))
    two.write_case("P1", "AP")
    image = sitk.ReadImage(str(two.data / "P1-AP-image.nii.gz"))
    array = np.zeros((10, 16, 16), dtype=np.uint8)
    array[:, :9] = 1
    organ = sitk.GetImageFromArray(array)
    organ.CopyInformation(image)
    sitk.WriteImage(organ, str(two.data / "organ.nii.gz"))
    two.manifest.write_text(
        "patient_id,phase,image,mask,organ_mask,organ_label\n"
        "P1,AP,P1-AP-image.nii.gz,P1-AP-mask-R1.nii.gz,organ.nii.gz,1\n"
    )
    two.open().ingest(two.manifest)
    page = two.open().quality_page()
    query = "FROM masks WHERE patient_id = 'P1' AND phase = 'AP' AND region = 'peritumoral'"
    (row,) = two.open().sql(query).to_pylist()
    cut = row["clipped_organ_mm3"] + row["clipped_image_mm3"]
    share = cut / (cut + row["volume_mm3"])
    said = [w.text for w in page.warnings if w.kind == "clipped"]
    assert said == ([f"{100 * share:.0f} % of peritumoral cut off"] if share > 0.5 else [])
    assert "organ outlined" in _html(two)


def test_a_ring_that_intensities_cut_off_is_said_with_its_share(two):
    """Hardly a voxel is brighter than the limit."""
    study = two.folder / "study.yaml"
    study.write_text(study.read_text().replace("clip: none", "clip: {above: 108}"))
    two.add("P1", ["AP"])
    page = two.open().quality_page()
    query = "FROM masks WHERE patient_id = 'P1' AND phase = 'AP' AND region = 'peritumoral'"
    (row,) = two.open().sql(query).to_pylist()
    cut = row["clipped_threshold_mm3"] + row["clipped_image_mm3"]
    share = cut / (cut + row["volume_mm3"])
    assert share > 0.5
    said = [w.text for w in page.warnings if w.kind == "clipped" and (w.patient_id, w.phase) == ("P1", "AP")]
    assert said == [f"{100 * share:.0f} % of peritumoral cut off"]


def test_the_page_shows_one_state_of_the_store(two, monkeypatch):
    """An ingest that commits while the page reads its tables does not get half onto it."""
    done = []

    def then_ingest(whole):
        def call(self, *args, **more):
            answer = whole(self, *args, **more)
            if not done:
                done.append(True)
                two.add("P4", ["AP"])
            return answer

        return call

    for owner, name in ((Table, "read"), (Store, "query")):
        monkeypatch.setattr(owner, name, then_ingest(getattr(owner, name)))
    page = two.open().quality_page()
    assert done
    assert ("AP", "no-image") not in _kinds(page, "P4")


def test_a_mask_of_an_image_that_was_replaced_does_not_count(two):
    """It is no longer drawn, and the page says so."""
    two.write_case("P1", "AP", reader="R2", image=False)
    two.open().ingest(two.write_manifest([("P1", "AP")], reader="R2"))
    two.add("P1", ["AP"], peak=50)
    page = two.open().quality_page()
    assert ("AP", "stale") in _kinds(page, "P1")
    assert "tumour of another reader" not in _html(two)


def test_an_image_whose_mask_was_refused_is_shown_with_the_reason(two):
    """The reason is that of the quarantine."""
    two.write_case("P1", "PP", radius=0.1)
    two.open().ingest(two.write_manifest([("P1", "PP")]))
    page = two.open().quality_page()
    (found,) = (w for w in page.warnings if w.kind == "no-mask")
    assert (found.phase, found.text) == ("PP", "no tumour drawn: mask is a single voxel")
    assert page.pictures == 3


def test_a_stored_file_that_is_damaged_costs_its_picture_only(two):
    """The others are drawn, and nothing is kept of the damaged one."""
    path = min((two.folder / "store" / "images").rglob("*.nii.gz"))
    path.write_bytes(b"nothing")
    page = two.open().quality_page()
    assert page.pictures == 2
    (found,) = (w for w in page.warnings if w.kind == "unreadable")
    assert "is missing or unreadable" in found.text
    two.open().ingest(two.manifest)
    two.add("P1")
    assert two.open().quality_page().pictures == 3


def test_rows_without_files_are_shown_as_unreadable(written):
    """A store that another tool filled."""
    written.voi("P1", "AP", "intratumoral")
    written.write()
    page = written.project.quality_page()
    assert (page.pictures, page.kinds) == (0, {"no-image": 1, "unreadable": 1})


def test_many_pictures_lie_beside_the_page(two, monkeypatch):
    """What is small stands in the page, so that it can be handed on as one file."""
    monkeypatch.setattr(quality_page, "_EMBEDDED", 1)
    two.open().quality_page()
    html = _html(two)
    assert "data:image" not in html
    assert [name in html for name in _pictures(two)] == [True] * 3


def test_an_empty_store_has_no_page(tiny):
    """The way out is to ingest."""
    with pytest.raises(StoreError, match="run `mvi ingest` first"):
        tiny.open().quality_page()
    assert not (tiny.folder / "quality.html").exists()


def test_progress_counts_pictures(two):
    """Once for each that is drawn, and once when there is nothing to do."""
    said = []
    for _ in range(2):
        two.open().quality_page(progress=lambda *state: said.append(state))
    assert said[:3] == [("quality", n, 3, f"{n} of 3 pictures") for n in (1, 2, 3)]
    assert said[3:] == [("quality", 3, 3, "3 of 3 pictures")]


def test_the_command_prints_kinds_or_json(two, capsys):
    """And leaves an extraction alone: its lock is another one."""
    with two.open().store.locked("extract"):
        app(["-C", str(two.folder), "quality"], standalone_mode=False)
    text = capsys.readouterr().out
    assert "Image missing" in text
    assert "Wrote quality.html: 3 pictures, 3 of them drawn now." in text
    app(["-C", str(two.folder), "quality", "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert (found["page"], found["pictures"], found["drawn"]) == ("quality.html", 3, 0)
    assert found["kinds"]["no-image"] == 1
    assert found["warnings"][-1].keys() == {"kind", "patient_id", "session", "phase", "lesion", "text"}


@pytest.fixture
def planted(two, tmp_path, monkeypatch):
    """A patient whose pseudonym stands on the page; source files lie elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.move(two.data, tmp_path / "data")
    two.open().quality_page()
    return two


def test_erasing_a_patient_removes_page_and_pictures(planted):
    """The search finds the pseudonym on the page before, and nothing afterwards; others come back."""
    dry = planted.open().erase("Müller <7>", dry_run=True)
    assert dry.proof.traces == ()
    assert "Müller &lt;7&gt;" in _html(planted)
    summary = planted.open().erase("Müller <7>")
    assert summary.is_absent
    assert summary.proof.traces == ()
    assert not (planted.folder / "quality.html").exists()
    assert not (planted.folder / "quality").exists()
    assert planted.open().quality_page().pictures == 2
    assert "Müller" not in _html(planted)
    assert planted.open().erase("P1").is_absent


def test_the_search_of_an_erasure_sees_the_page(planted):
    """A page that somebody copied is found, so that absence is worth something."""
    shutil.copy(planted.folder / "quality.html", planted.folder / "copy.html")
    summary = planted.open().erase("Müller <7>")
    assert [trace.path.name for trace in summary.proof.traces] == ["copy.html"]


def test_a_page_that_an_erasure_left_when_it_was_killed_goes_with_the_next(planted, monkeypatch):
    """The tables know the patient no more, but the page does."""

    def killed(project):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "remove_quality_page", killed)
        with pytest.raises(KeyboardInterrupt):
            planted.open().erase("Müller <7>")
    assert "Müller" in _html(planted)
    dry = planted.open().erase("Müller <7>", dry_run=True)
    assert [trace.path.name for trace in dry.proof.traces] == ["quality.html"]
    assert planted.open().erase("Müller <7>").is_absent
    assert not (planted.folder / "quality.html").exists()


def test_an_erasure_waits_for_a_page_that_is_being_written(planted, monkeypatch):
    """Else the page would be written after the patient was gone."""
    begun, remove = Event(), erasure.remove_quality_page

    def told(project):
        begun.set()
        remove(project)

    monkeypatch.setattr(erasure, "remove_quality_page", told)
    with ThreadPoolExecutor(1) as pool:
        with quality_locked(planted.open()):
            erasing = pool.submit(planted.open().erase, "P1")
            assert begun.wait(timeout=120)
            with pytest.raises(TimeoutError):
                erasing.result(timeout=1)
            assert "P1" in _html(planted)
            assert planted.open().store.tables["patients"].read(["patient_id"]).num_rows == 1
        assert erasing.result(timeout=120).is_absent
    assert not (planted.folder / "quality.html").exists()


def test_the_page_reads_columns_that_the_tables_have():
    """Names of columns stand in the code of the page."""
    names = {"voxels", "volume_mm3", "clipped_organ_mm3", "clipped_image_mm3", "clipped_threshold_mm3"}
    names |= {"organ_digest", "organ_path"}
    assert names <= TABLES["masks"].columns.keys()


@pytest.fixture(scope="module")
def browser():
    """A headless browser that is at hand."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser on the PATH: one of {', '.join(BROWSERS)}")
    return found


def _browse(browser, tmp_path, address, *options):
    with_profile = f"--user-data-dir={tmp_path / 'browser'}"
    done = subprocess.run(
        [browser, *QUIET, with_profile, *options, address], capture_output=True, timeout=120, check=True
    )
    return done.stdout.decode()


def test_the_filter_hides_what_was_not_asked_for(two, browser, tmp_path):
    """All, those with a warning of one kind, one phase, one patient: counted in the browser's document."""
    two.open().quality_page()
    address = (two.folder / "quality.html").as_uri()
    for asked, expected in (
        ("", "4 of 4 pictures"),
        ("#show=no-image", "1 of 4 pictures"),
        ("#phase=AP", "2 of 4 pictures"),
        ("#phase=AP&patient=p1", "1 of 4 pictures"),
        ("#patient=nobody", "0 of 4 pictures"),
    ):
        document = _browse(browser, tmp_path, address + asked, "--dump-dom")
        assert f'<output role="status">{expected}</output>' in document
        shown = [part.split(">")[0] for part in document.split('<figure class="tile"')[1:]]
        assert sum("hidden" not in attributes for attributes in shown) == int(expected[0])


@pytest.mark.parametrize("embedded", [True, False])
def test_a_screenshot_shows_pictures_with_outlines(two, browser, tmp_path, monkeypatch, embedded):
    """Not blank: many colours, grey tissue, and the colour of the tumour's outline more than once."""
    if not embedded:
        monkeypatch.setattr(quality_page, "_EMBEDDED", 1)
    two.open().quality_page()
    shot = tmp_path / "shot.png"
    address = (two.folder / "quality.html").as_uri()
    _browse(browser, tmp_path, address, f"--screenshot={shot}", "--window-size=1400,1600")
    pixels = np.asarray(Image.open(shot).convert("RGB")).reshape(-1, 3).astype(int)
    # Of the same page without its pictures: 2,300 colours, 0.1 % grey, 80 yellow pixels in the legend.
    assert len(np.unique(pixels, axis=0)) > 5000
    grey = (np.ptp(pixels, axis=1) == 0) & (pixels[:, 0] > 30) & (pixels[:, 0] < 220)
    assert grey.mean() > 0.01
    red, green, blue = pixels.T
    yellow = (red > 150) & (green > 0.75 * red) & (green < 0.9 * red) & (blue < 0.4 * red)
    assert yellow.sum() > 300
