"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mvi_ray.project import Project
    from mvi_ray.project.extraction import ExtractSummary

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real images: `MVI_TEST_DATA`, else `shared/data` beside the checkout."""
    named = os.environ.get("MVI_TEST_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real test data is absent: set MVI_TEST_DATA to its folder")
    return folder


_STUDY = """\
schema_version: 1
name: tiny
synthetic: true
phases: [AP, PP]
regions:
  peritumoral: {{kind: ring, outer_mm: {ring_mm}, clip: none}}
readers: {{model: R1, compare: [R2]}}
preprocessing: none
families:
  cr:
    spacing_mm: null
    {binning}
    image_types: {{{image_types}}}
{dlr}
clinical:
  outcome: mvi
  centre: site
  variables:
    age: {{unit: years}}
    sex: {{kind: categorical, levels: [female, male]}}
"""
_DLR = "  dlr: {weights: random, input_size: 16, batch_size: 2}"


@dataclass
class TinyProject:
    """A study small enough to be extracted in seconds: 16 × 16 × 10 voxels, balls as tumours.

    Args:
        folder: the project directory; images lie in ``folder / "data"``.
    """

    folder: Path

    @property
    def data(self) -> Path:
        """Where images, masks, manifest and clinical table lie."""
        return self.folder / "data"

    @property
    def manifest(self) -> Path:
        """The manifest that `write_manifest` writes."""
        return self.data / "manifest.csv"

    def open(self) -> Project:
        """The project, with its study file read anew."""
        from mvi_ray.project import Project

        return Project(self.folder)

    def write_study(
        self,
        *,
        image_types: str = "original: , log: {sigma_mm: [3.0]}",
        binning: str = "bin_count: 8",
        ring_mm: float = 4,
        dlr: bool = True,
        more: str = "",
    ) -> None:
        """Write study.yaml."""
        text = _STUDY.format(
            image_types=image_types, binning=binning, ring_mm=ring_mm, dlr=_DLR if dlr else ""
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "study.yaml").write_text(text + more, encoding="utf-8")

    def write_case(
        self,
        patient: str,
        phase: str,
        *,
        radius: float = 3.2,
        axes: str = "LPS",
        peak: float = 0.0,
        reader: str = "R1",
        image: bool = True,
    ) -> None:
        """Write a seeded image and a ball as its mask; `peak` is added to one voxel of the tumour."""
        import SimpleITK as sitk

        self.data.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([len(patient), *patient.encode(), *phase.encode()])
        z, y, x = np.meshgrid(np.arange(10), np.arange(16), np.arange(16), indexing="ij")
        distance = np.sqrt((1.5 * (z - 5)) ** 2 + (y - 8) ** 2 + (x - 7) ** 2)
        array = 100 + 20 * np.exp(-((distance / 4) ** 2)) + rng.normal(0, 4, distance.shape)
        array[5, 8, 7] += peak
        for name, values in (
            ("image", array.astype(np.float32)),
            (f"mask-{reader}", (distance <= radius).astype(np.uint8)),
        ):
            if name == "image" and not image:
                continue
            grid = sitk.GetImageFromArray(values)
            grid.SetSpacing((1.0, 1.1, 1.7))
            grid.SetOrigin((-12.3, 4.5, 100.7))
            sitk.WriteImage(sitk.DICOMOrient(grid, axes), self.data / f"{patient}-{phase}-{name}.nii.gz")

    def write_manifest(self, cases: Sequence[tuple[str, str]], reader: str = "R1", more: str = "") -> Path:
        """Write a manifest of (patient, phase) pairs."""
        lines = ["patient_id,phase,image,mask,reader"]
        lines += [f"{p},{f},{p}-{f}-image.nii.gz,{p}-{f}-mask-{reader}.nii.gz,{reader}" for p, f in cases]
        self.manifest.write_text("\n".join(lines) + "\n" + more, encoding="utf-8")
        return self.manifest

    def add(self, patient: str, phases: Sequence[str] = ("AP", "PP"), **case: Any) -> None:
        """Write and ingest the images of one patient."""
        for phase in phases:
            self.write_case(patient, phase, **case)
        self.open().ingest(self.write_manifest([(patient, phase) for phase in phases]))

    def extract(self, **options: Any) -> ExtractSummary:
        """Extract in this process, without Ray; tests of the cluster have Ray itself."""
        with _without_ray():
            return self.open().extract(**options)


@contextmanager
def _without_ray() -> Iterator[None]:
    """Workers become plain calls; what is planned, computed and committed stays the same."""
    from mvi_ray.cluster import scheduler, session, work

    @contextmanager
    def session_of_one(*_: Any) -> Iterator[session.Resources]:
        yield session.Resources(1, 0)

    def run_cr(units: Any, *, settings: Any, claims: Any, **_: Any) -> Iterator[Any]:
        yield []
        for unit in units:
            for taken in claims.take([unit]):
                yield work.compute_cr(taken, settings)

    def run_dlr(units: Any, *, settings: Any, source: Any, claims: Any, **_: Any) -> Iterator[Any]:
        worker = work.EmbeddingWorker(source, settings)
        for unit in units:
            for taken in claims.take([unit]):
                yield worker.compute([taken])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "ray_session", session_of_one)
        patch.setattr(scheduler, "run_cr", run_cr)
        patch.setattr(scheduler, "run_dlr", run_dlr)
        yield


@pytest.fixture(scope="session", autouse=True)
def _without_comments() -> Iterator[None]:
    """Catalogs of tests are written hundreds of times; their comments take two fifths of it."""
    from mvi_ray.store import catalog

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "comment_on_everything", lambda _: None)
        yield


@pytest.fixture(scope="module")
def commented() -> Iterator[None]:
    """From here to the end of the module catalogs are written as users get them."""
    with _commented():
        yield


@contextmanager
def _commented() -> Iterator[None]:
    from mvi_ray.store import catalog
    from mvi_ray.store.comments import comment_on_everything

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "comment_on_everything", comment_on_everything)
        yield


@pytest.fixture
def tiny(tmp_path: Path) -> TinyProject:
    """An empty project with a study file."""
    project = TinyProject(tmp_path / "tiny")
    project.write_study()
    return project


@pytest.fixture(scope="session")
def make_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], TinyProject]:
    """Make projects that last longer than one test; copy them before changing them."""
    return lambda: TinyProject(tmp_path_factory.mktemp("project") / "tiny")


@pytest.fixture(scope="session")
def _extracted_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The project, put aside, and the place where it was made."""
    place = tmp_path_factory.mktemp("project") / "here" / "copy of tiny"
    project = TinyProject(place)
    with _commented():
        project.write_study()
        project.add("P1")
        project.add("O'Neil", axes="RAS")
        project.extract()
    return place.rename(place.parents[1] / "aside"), place


@pytest.fixture
def extracted(_extracted_once: tuple[Path, Path]) -> TinyProject:
    """A copy of one project of two patients whose features are complete; its catalog fits its place."""
    aside, place = _extracted_once
    shutil.rmtree(place.parent)
    return TinyProject(shutil.copytree(aside, place))


@pytest.fixture(scope="session")
def run_python() -> Callable[..., Any]:
    """Run a script in a fresh interpreter; returns the finished process with its text."""
    import subprocess
    import sys

    def run(script: str, *args: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script, *args],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    return run


@pytest.fixture
def mvi_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., SimpleNamespace]:
    """Run the command in this process, as `mvi` does, from parsing to the exit code.

    Returns code, stdout and stderr. Starting another process takes a second, and most tests need none.
    """
    import io
    import sys

    from mvi_ray.cli.app import run
    from mvi_ray.cli.state import State

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    for name in ("MVI_PROJECT", "MVI_KEY_FILE", "MVI_CPUS", "MVI_WEIGHTS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*args: object, cwd: Path | None = None, **env: str) -> SimpleNamespace:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["mvi", *map(str, args)])
            patch.setattr(State, "folder", Path())
            if cwd is not None:
                patch.chdir(cwd)
            for name, value in env.items():
                patch.setenv(name, value)
            capfd.readouterr()
            code: Any = 0
            try:
                run()
            except SystemExit as end:
                code = end.code
            said = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=said.out, stderr=said.err)

    return call


_WRITTEN_STUDY = """\
schema_version: 1
name: written
synthetic: true
phases: [AP, PP]
regions: {peritumoral: {kind: ring, outer_mm: 10}}
preprocessing: none
families:
  cr: {spacing_mm: null, bin_count: 8, image_types: [original, square]}
  dlr: {weights: random, input_size: 16}
clinical:
  outcome: mvi
  centre: centre
  variables:
    age: {unit: years}
    sex: {kind: categorical, levels: [female, male]}
cohorts: {train: centre = 'A', test: centre = 'B'}
models:
  selection: {n_features: 3, rfe_step: 0.5}
  validation: {folds: 3, repeats: 2, inner_folds: 2, bootstrap: 100}
  fit:
    CR: {families: [CR], regions: [intratumoral]}
    both: {families: [CR, DLR], regions: [peritumoral, intratumoral], phases: [PP]}
    joined: {families: [DLR], regions: [intratumoral], clinical: [age, sex]}
"""


class WrittenProject:
    """Writes rows of VOIs whose values say where they belong.

    Args:
        folder: the project directory.
    """

    def __init__(self, folder: Path) -> None:
        from mvi_ray.extract.cr import cr_feature_sets
        from mvi_ray.extract.dlr import dlr_feature_set
        from mvi_ray.extract.weights import resolve
        from mvi_ray.project import Project

        folder.mkdir()
        (folder / "study.yaml").write_text(_WRITTEN_STUDY, encoding="utf-8")
        self.project = Project(folder)
        self._sets = {p: cr_feature_sets(self.project.study, p) for p in self.project.study.phases}
        self._dlr = dlr_feature_set(self.project.study, resolve("random"))
        self._rows: dict[str, list[dict[str, object]]] = {"images": [], "masks": [], "cr": [], "dlr": []}

    def voi(
        self,
        patient: str,
        phase: str,
        region: str,
        *,
        lesion: str = "1",
        volume: float = 100.0,
        shift: float = 0.0,
        session: str = "baseline",
    ) -> None:
        """Add image, mask, CR and DLR rows; every value is `code` of its place plus `shift`."""
        from mvi_ray.features import DLR_VALUES, features_of

        image = {"patient_id": patient, "session": session, "phase": phase}
        key = {**image, "lesion": lesion, "region": region, "reader": "R1"}
        origin = {**key, "input_digest": f"{patient}{phase}{region}{lesion}"}
        self._rows["images"].append({**image, "image_digest": "i"})
        self._rows["masks"].append({**origin, "volume_mm3": volume, "image_digest": "i"})
        self._rows["cr"].extend(
            {
                **origin,
                "image_type": kind,
                "feature_set_id": one.id,
                **{name: code(phase, region, kind, name) + shift for name in features_of(kind)},
            }
            for kind, one in self._sets[phase].items()
        )
        embedding = (np.arange(DLR_VALUES) + shift).astype(np.float32).tolist()
        self._rows["dlr"].append({**origin, "feature_set_id": self._dlr.id, "embedding": embedding})

    def write(self) -> None:
        """Commit what was added, and publish."""
        from mvi_ray.store.schemas import TABLES

        for name, rows in self._rows.items():
            unique = {tuple(r[k] for k in TABLES[name].keys): r for r in rows}
            self.project.store.tables[name].write(list(unique.values()))
            rows.clear()
        self.project.publish()

    def clinical(self, rows: list[dict[str, object]]) -> None:
        """Write clinical rows and their patients, and all that was added."""
        import pyarrow as pa

        from mvi_ray.store.tables import now

        tables = self.project.store.tables
        tables["clinical"].replace_all(pa.Table.from_pylist(rows))
        tables["patients"].write(
            [{"patient_id": r["patient_id"], "centre": r.get("centre"), "ingested_at": now()} for r in rows]
        )
        self.write()


@pytest.fixture(name="code")
def _code() -> Callable[..., float]:
    return code


def code(phase: str, region: str, image: str, name: str) -> float:
    """A number that only this column has."""
    return float(sum(ord(letter) * (at + 1) for at, letter in enumerate(f"{phase}{region}{image}{name}")))


@pytest.fixture
def written(tmp_path: Path) -> WrittenProject:
    """An empty project."""
    return WrittenProject(tmp_path / "project")
