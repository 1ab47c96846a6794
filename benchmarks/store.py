"""What the store costs against per-patient CSV files, and how it grows.

    python benchmarks/store.py FOLDER --patients 304 3000 10000
    python benchmarks/store.py FOLDER --commits 10000

The first makes a store of random values for each number of patients (3 phases, 2 regions, all 19
image types), writes the same values as one CSV for each patient, the way PyRadiomics' users keep
them, and times both ways in turn; each timing is a process of its own, so that its peak memory is
its own. The second writes commit after commit and times what a commit, a catalog and a query cost.
Files that are there already are used again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from mvi_ray.project import Project

STUDY = """\
schema_version: 1
name: benchmark of the store
synthetic: true
phases: [AP, PP, HBP]
regions: {peritumoral: {kind: ring, outer_mm: 10}}
preprocessing: none
families:
  cr:
    spacing_mm: [1, 1, 1]
    bin_width: 10
    image_types:
      [original, wavelet, log, square, squareroot, logarithm, exponential, gradient, lbp-2D, lbp-3D]
clinical: {outcome: mvi, centre: centre}
cohorts: {train: centre = 'A', test: centre = 'B'}
models: {fit: {all: {families: [CR], regions: [intratumoral, peritumoral]}}}
"""
REGIONS = ("intratumoral", "peritumoral")
_BLOCK = 250

# `pandas.concat` and `pivot` of so many patients take 7.7 GiB; 10,000 do not fit into 24.
_PIVOTED = 3000


def _voi_rows(project: Project, patients: range) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Rows of `cr` and of `masks`; a value depends on its patient and place only."""
    import pyarrow as pa

    from mvi_ray.extract.cr import cr_feature_sets
    from mvi_ray.features import CR_FEATURES
    from mvi_ray.store.schemas import CR
    from mvi_ray.store.tables import now

    sets = {phase: cr_feature_sets(project.study, phase) for phase in project.study.phases}
    keys, masks, values = [], [], []
    for number in patients:
        patient = f"P{number:05d}"
        for phase in project.study.phases:
            for region in REGIONS:
                voi = (patient, "baseline", phase, "1", region, "R1")
                digest = f"{patient}{phase}{region}"
                masks.append(
                    {
                        **dict(zip(CR.keys, voi, strict=False)),
                        "image_digest": f"{patient}{phase}",
                        "input_digest": digest,
                        "volume_mm3": 1000.0 + number,
                    }
                )
                keys.extend((*voi, kind, one.id, digest) for kind, one in sets[phase].items())
        vois = len(project.study.phases) * len(REGIONS)
        values.append(_values(number, vois, 19).reshape(-1, len(CR_FEATURES)))
    columns: dict[str, Any] = {
        name: pa.array(column, pa.string())
        for name, column in zip((*CR.keys, "input_digest"), zip(*keys, strict=True), strict=True)
    }
    numbers = np.concatenate(values)
    shaped = np.array([key[6] == "original" for key in keys])
    for at, name in enumerate(CR_FEATURES):
        absent = ~shaped if name.startswith("shape_") else None
        columns[name] = pa.array(np.ascontiguousarray(numbers[:, at]), mask=absent)
    columns["run_id"] = pa.array(["benchmark"] * len(keys))
    columns["duration_s"] = pa.array(np.ones(len(keys)))
    columns["computed_at"] = pa.array([now()] * len(keys), CR.schema.field("computed_at").type)
    return pa.table(columns, schema=CR.schema), masks


def make_store(folder: Path, patients: int) -> Project:
    """A project whose store holds the values of so many patients."""
    import pyarrow as pa

    from mvi_ray.project import Project
    from mvi_ray.store.tables import now

    if (folder / "done").exists():
        project = Project(folder)
        # Its catalog may be of an earlier version of the program.
        project.refresh()
        return project
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    project = Project(folder)
    tables = project.store.tables
    # A dozen commits at least, as of an extraction: its end joins their files.
    size = min(_BLOCK, patients // 12 + 1)
    for start in range(0, patients, size):
        block = range(start, min(start + size, patients))
        rows, masks = _voi_rows(project, block)
        tables["cr"].write_arrow(rows)
        tables["masks"].write(masks)
        images = {(m["patient_id"], m["phase"]): m for m in masks}
        names = ("patient_id", "session", "phase", "image_digest")
        tables["images"].write([{n: m[n] for n in names} for m in images.values()])
    everyone = [f"P{n:05d}" for n in range(patients)]
    centres = ["AB"[n % 3 == 0] for n in range(patients)]
    tables["patients"].write(
        [{"patient_id": p, "centre": c, "ingested_at": now()} for p, c in zip(everyone, centres, strict=True)]
    )
    outcome = pa.array([n % 2 for n in range(patients)], pa.int64())
    tables["clinical"].replace_all(pa.table({"patient_id": everyone, "centre": centres, "mvi": outcome}))
    project.settle("benchmark")
    (folder / "done").touch()
    return project


def make_files(folder: Path, project: Project, patients: int) -> None:
    """One CSV for each patient: a line for each phase and region, a column for each feature."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    from mvi_ray.extract.cr import cr_feature_sets
    from mvi_ray.features import CR_FEATURES, features_of

    if (folder / "done").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    phases = project.study.phases
    kinds = list(cr_feature_sets(project.study, phases[0]))
    place = {name: at for at, name in enumerate(CR_FEATURES)}
    for number in range(patients):
        numbers = _values(number, len(phases) * len(REGIONS), len(kinds))
        columns: dict[str, Any] = {
            "phase": [phase for phase in phases for _ in REGIONS],
            "region": [region for _ in phases for region in REGIONS],
        }
        for at, kind in enumerate(kinds):
            for name in features_of(kind):
                columns[f"{kind}_{name}"] = numbers[:, at, place[name]]
        pacsv.write_csv(pa.table(columns), folder / f"P{number:05d}.csv")
    (folder / "done").touch()


def _values(patient: int, vois: int, kinds: int) -> Any:
    """Shape (VOIs, image types, features)."""
    from mvi_ray.features import CR_FEATURES

    return np.random.default_rng(patient).normal(10, 3, (vois, kinds, len(CR_FEATURES)))


def store_matrix(folder: Path) -> tuple[int, int]:
    """The matrix of a model of all CR features."""
    from mvi_ray.extract.cr import image_type_names
    from mvi_ray.matrix.assemble import assemble
    from mvi_ray.matrix.cohort import read_cohorts
    from mvi_ray.project import Project

    project = Project(folder)
    study = project.study
    cohorts = read_cohorts(project.store, study)
    images = {name: image_type_names(one.image_types) for name, one in study.families.cr_like.items()}
    matrix = assemble(project.store, study, "all", cohorts, images).matrix
    return len(matrix.patients), len(matrix.columns)


def files_matrix(folder: Path) -> tuple[int, int]:
    """The same from files: read each, join, and turn phases and regions into columns."""
    import pandas as pd

    frames = []
    for path in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(path)
        frame.insert(0, "patient_id", path.stem)
        frames.append(frame)
    wide = pd.concat(frames).pivot(index="patient_id", columns=["phase", "region"])  # noqa: PD010
    return wide.shape


def files_lean(folder: Path) -> tuple[int, int]:
    """The same for one who saves memory: keep an array of each file and join those."""
    import pandas as pd

    lines: dict[str, Any] = {}
    for path in sorted(folder.glob("*.csv")):
        frame = pd.read_csv(path)
        lines[path.stem] = frame.drop(columns=["phase", "region"]).to_numpy().ravel()
    places = [f"{phase}_{region}" for phase, region in zip(frame["phase"], frame["region"], strict=True)]
    columns = [f"{place}_{name}" for place in places for name in frame.columns[2:]]
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns).shape


def store_feature(folder: Path) -> tuple[int, int]:
    """One feature of all patients."""
    return _asked(
        folder,
        "SELECT patient_id, glcm_Contrast FROM cr "
        "WHERE phase = 'AP' AND region = 'intratumoral' AND image_type = 'original'",
    )


def store_patient(folder: Path) -> tuple[int, int]:
    """Every value of one patient."""
    return _asked(folder, "SELECT * FROM cr WHERE patient_id = 'P00200'")


def store_open(folder: Path) -> tuple[int, int]:
    """Open the catalog and ask for nothing."""
    return _asked(folder, "SELECT 1")


def _asked(folder: Path, query: str) -> tuple[int, int]:
    from mvi_ray.store.store import Store

    return Store(folder / "store").query(query).shape


def files_feature(folder: Path) -> tuple[int, int]:
    """One feature of all patients from files."""
    import pandas as pd

    names = ["phase", "region", "original_glcm_Contrast"]
    frames = [pd.read_csv(path, usecols=names) for path in sorted(folder.glob("*.csv"))]
    frame = pd.concat(frames)
    return frame[(frame["phase"] == "AP") & (frame["region"] == "intratumoral")].shape


def files_patient(folder: Path) -> tuple[int, int]:
    """Every value of one patient from their file: all that files are good at."""
    import pandas as pd

    return pd.read_csv(folder / "P00200.csv").shape


WAYS: dict[str, Callable[[Path], tuple[int, int]]] = {
    way.__name__: way
    for way in (
        store_matrix,
        files_matrix,
        files_lean,
        store_feature,
        files_feature,
        store_patient,
        files_patient,
        store_open,
    )
}


def _measure(way: str, folder: Path, runs: int) -> None:
    """In a process of its own: time a way, first call apart, and tell its peak memory."""
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        shape = WAYS[way](folder)
        seconds.append(time.perf_counter() - begin)
    # Not ru_maxrss, which begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 2**20
    print(json.dumps({"seconds": seconds, "shape": shape, "peak_gib": peak}))


def _ask(way: str, folder: Path, runs: int) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603
        [sys.executable, __file__, str(folder), "--measure", way, "--runs", str(runs)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _line(name: str, found: dict[str, Any]) -> float:
    seconds = found["seconds"]
    median = statistics.median(seconds)
    low, high, count = min(seconds), max(seconds), len(seconds)
    shape = "×".join(map(str, found["shape"]))
    print(
        f"  {name:<16} {median:9.3f} s  ({low:.3f}–{high:.3f}, n={count})"
        f"  {shape:>14}  {found['peak_gib']:.2f} GiB",
        flush=True,
    )
    return median


def compare(folder: Path, patients: int, *, csv: bool) -> None:
    """Time both ways in turn and print them with their ratio."""
    project = make_store(folder / f"store-{patients}", patients)
    files = folder / f"csv-{patients}"
    print(f"{patients} patients", flush=True)
    if csv:
        make_files(files, project, patients)
    for what in ("matrix", "feature", "patient"):
        ours = _line(f"store {what}", _ask(f"store_{what}", project.folder, 7))
        for way in _file_ways(what, patients) if csv else ():
            # The slow way is timed once where it takes minutes.
            theirs = _line(way.replace("_", " "), _ask(way, files, 3 if patients < 1000 else 1))
            print(f"  {'ratio':<16} {theirs / ours:9.1f}", flush=True)
    _line("open", _ask("store_open", project.folder, 7))


def _file_ways(what: str, patients: int) -> Iterator[str]:
    if what != "matrix" or patients <= _PIVOTED:
        yield f"files_{what}"
    if what == "matrix":
        yield "files_lean"


def _steps(commits: int) -> Iterator[int]:
    step = 10
    while step < commits:
        yield step
        step *= 10
    yield commits


def grow(folder: Path, commits: int) -> None:
    """Commit one VOI after the other and print what each thing costs on the way."""
    from mvi_ray.project import Project
    from mvi_ray.project.declarations import declarations
    from mvi_ray.store.history import Event
    from mvi_ray.store.upkeep import compact

    place = folder / "growth"
    place.mkdir(parents=True)
    (place / "study.yaml").write_text(STUDY, encoding="utf-8")
    project = Project(place)
    study = declarations(project)
    table = project.store.tables["cr"]
    marks = set(_steps(commits))
    spent: list[float] = []
    print("commits  commit ms (median of the last)   publish s   open s   files   log files", flush=True)
    for number in range(1, commits + 1):
        rows, masks = _voi_rows(project, range(number, number + 1))
        rows = rows.slice(0, 19)
        if number == 1:
            project.store.tables["masks"].write(masks)
        begin = time.perf_counter()
        table.write_arrow(rows)
        compact(table, 64)
        spent.append(time.perf_counter() - begin)
        if number in marks:
            begin = time.perf_counter()
            project.store.publish(study, Event("benchmark", f"run-{number}"))
            publish = time.perf_counter() - begin
            begin = time.perf_counter()
            project.store.query("SELECT count(*) FROM cr_all")
            opened = time.perf_counter() - begin
            last = 1000 * statistics.median(spent[-100:])
            worst = 1000 * max(spent[-100:])
            logs = len(list((table.folder / "_delta_log").iterdir()))
            print(
                f"{number:7d}  {last:9.0f} (worst {worst:.0f}) {publish:20.2f} {opened:8.2f} "
                f"{len(table.files()):7d} {logs:11d}",
                flush=True,
            )


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, nargs="+", default=[])
    parser.add_argument("--commits", type=int, default=0)
    parser.add_argument("--no-csv", action="store_true", help="leave out the files")
    parser.add_argument("--measure", choices=sorted(WAYS))
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    if given.measure:
        _measure(given.measure, given.folder, given.runs)
        return
    for patients in given.patients:
        compare(given.folder, patients, csv=not given.no_csv)
    if given.commits:
        grow(given.folder, given.commits)


if __name__ == "__main__":
    main()
