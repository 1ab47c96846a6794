"""`mvi store erase`: nothing of a patient is left, by a search of its own, and others keep everything."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mvi_ray.errors import StoreError, UsageError
from mvi_ray.features import DLR_VALUES, features_of
from mvi_ray.project import Project, erasure
from mvi_ray.project.sql_history import history_file
from mvi_ray.store import erase as steps
from mvi_ray.store.patient import patient_tables
from mvi_ray.store.search.needles import Needles
from mvi_ray.store.search.traces import find_traces
from mvi_ray.store.tables import now
from mvi_ray.store.upkeep import compact
from mvi_ray.store.volumes import save_volume
from mvi_ray.volume import Geometry, Mask, Reorientation, Volume
from tests.conftest import WrittenProject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PLANTED = ("P1", "O'Neil", "Müller 7", "17")
OTHERS = ("P10", "P1-2", "1", "170", *(f"SYN-{number:02d}" for number in range(8)))
SHARES = "P10"
"""Has images and organs of P1."""


class Cohort(WrittenProject):
    """16 patients with values of their own, in every table there is."""

    def fill(self) -> None:
        """Write everything, earlier versions included, and train."""
        tables = self.project.store.tables
        names = [*PLANTED, *OTHERS]
        self.clinical(
            [
                {
                    "patient_id": name,
                    "mvi": at % 2,
                    "centre": "A" if at < 12 else "B",
                    "age": 50 + at / 7,
                    "sex": "male" if at % 3 else "female",
                }
                for at, name in enumerate(names)
            ]
        )
        for again in (False, True):
            # The second time replaces what was computed first.
            for at, name in enumerate(names):
                self._case(name, at, seed=1000 * again + at)
            for table, rows in self._rows.items():
                tables[table].write(rows)
                rows.clear()
            self.project.settle("extract", f"run-{again}")
        self.project.gc()
        for name in PLANTED:
            key = {"patient_id": name, "session": "baseline", "phase": "AP", "lesion": "1"}
            tables["imported"].write([self._imported(name, key), self._imported(SHARES, key)])
            tables["quarantine"].write([_failure(name, key)])
            tables["quarantine"].open().create_checkpoint()
            # Taken back, so that the patient is in the run.
            tables["exclusions"].write([_exclusion(name)])
            tables["attempts"].write([_attempt(key)])
        tables["enrolment"].write(
            [
                {"patient_id": name, "criterion": None, "is_unknown": False, "unknown": ["adult"]}
                for name in names
            ]
        )
        for table in tables.values():
            compact(table)
        self.project.settle("import")
        self.run = self.project.train().run
        aside = self.project.store.root / ".publish-left"
        aside.mkdir()
        shutil.copy(self.project.store.catalog, aside)
        unfinished = self.project.runs / ".20260101T000000Z-abcdef"
        shutil.copytree(self.run / "matrices", unfinished / "matrices")

    def _case(self, name: str, at: int, seed: int) -> None:
        """Rows of one patient; the images of those planted are files."""
        rng = np.random.default_rng([seed, at])
        root = self.project.store.root
        for phase in ("AP", "PP"):
            image, mask, organ = (save_volume(root, one) for one in _volumes(rng))
            if name == SHARES:
                other = next(
                    r for r in self._rows["masks"] if r["patient_id"] == "P1" and r["phase"] == phase
                )
                shared = next(
                    r for r in self._rows["images"] if r["patient_id"] == "P1" and r["phase"] == phase
                )
            key = {"patient_id": name, "session": "baseline", "phase": phase}
            row = {**key, "image_digest": image.digest, **image.columns(), "ingested_at": now()}
            self._rows["images"].append(row if name != SHARES else {**shared, **key})
            for region in ("intratumoral", "peritumoral"):
                voi = {**key, "lesion": "1", "region": region, "reader": "R1"}
                digest = f"{rng.bytes(32).hex()}"
                drawn = {
                    **voi,
                    "mask_digest": mask.digest,
                    "image_digest": image.digest,
                    "input_digest": digest,
                    **mask.columns(),
                    "volume_mm3": rng.uniform(1e3, 1e4),
                    "organ_digest": organ.digest,
                    "organ_path": organ.path,
                    "ingested_at": now(),
                }
                if name == SHARES:
                    drawn |= {n: other[n] for n in ("image_digest", "organ_digest", "organ_path")}
                self._rows["masks"].append(drawn)
                own = {**voi, "input_digest": digest, "run_id": "run", "computed_at": now()}
                self._rows["cr"] += [
                    {
                        **own,
                        "image_type": kind,
                        "feature_set_id": one.id,
                        **{f: rng.normal(0.6 * (at % 2)) for f in features_of(kind)},
                    }
                    for kind, one in self._sets[phase].items()
                ]
                embedding = rng.normal(size=DLR_VALUES).astype(np.float32).tolist()
                self._rows["dlr"].append({**own, "feature_set_id": self._dlr.id, "embedding": embedding})

    def _imported(self, name: str, key: dict[str, str]) -> dict[str, Any]:
        rng = np.random.default_rng([len(name), *name.encode()])
        return {
            **key,
            "patient_id": name,
            "region": "intratumoral",
            "reader": "R1",
            "feature_set_id": "f" * 16,
            "family": "FAE",
            "feature_names": ["a", "b"],
            "feature_values": rng.normal(size=2).tolist(),
        }


def _volumes(rng: np.random.Generator) -> tuple[Volume, Mask, Mask]:
    geometry = Geometry((6, 5, 4), (1.0, 1.1, 1.7), tuple(rng.uniform(-9, 9, 3)), tuple(np.eye(3).ravel()))
    turned = Reorientation("LPS", geometry.origin)
    drawn = [(rng.random(geometry.shape) < 0.5).astype(np.uint8) for _ in range(2)]
    image = Volume(rng.normal(size=geometry.shape).astype(np.float32), geometry, turned)
    return image, *(Mask(one, geometry, turned) for one in drawn)  # type: ignore[return-value]


def _exclusion(patient: str) -> dict[str, object]:
    return {"patient_id": patient, "excluded_at": now(), "reason": "motion artefacts", "undone_at": now()}


def _attempt(key: dict[str, str]) -> dict[str, Any]:
    """What a run that was killed leaves."""
    voi = {**key, "region": "intratumoral", "reader": "R1", "family": "CR"}
    made = {"attempt": 1, "state": "begun", "run_id": "killed", "input_digest": "0" * 64}
    return {**voi, **made, "feature_sets": ["f" * 16], "is_alone": False, "noted_at": now()}


def _failure(name: str, key: dict[str, str]) -> dict[str, Any]:
    return {
        **key,
        "region": "intratumoral",
        "reader": "R2",
        "stage": "extract",
        "family": "CR",
        "reason": f"{name} AP: mask is empty",
        "traceback": f"File cases.py\n  raise MaskError('patient {name}')",
        "attempts": 1,
    }


@pytest.fixture(scope="module")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cohort = Cohort(tmp_path_factory.mktemp("erasure") / "project")
    cohort.fill()
    return cohort.project.folder


@pytest.fixture
def filled(_filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of a project in which every table, a run and leftovers name each planted patient."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Project(shutil.copytree(_filled, tmp_path / "project"))


@pytest.fixture
def unplanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search is not put to the test first: other tests of this file see to that."""
    monkeypatch.setattr(erasure, "plant_and_find", lambda _: ())


@pytest.fixture
def small(extracted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two patients whose images were really ingested and extracted; their source files lie elsewhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.move(extracted.data, tmp_path / "data")
    return extracted


def _contents(path: Path) -> Iterator[tuple[str, Any]]:
    """What a file holds: bytes, texts and numbers. Written for this test alone."""
    data = path.read_bytes()
    yield "bytes", data
    yield from _decoded(data, path)


def _decoded(data: bytes, path: Path | None = None) -> Iterator[tuple[str, Any]]:
    if data[:4] == b"PAR1":
        for column in pq.read_table(io.BytesIO(data)).to_pydict().values():
            yield from _leaves(column)
        yield "bytes", str(pq.read_metadata(io.BytesIO(data)).metadata).encode()
    elif data[:2] == b"\x1f\x8b":
        yield "bytes", gzip.decompress(data)
    elif data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield "bytes", name.encode()
                yield "bytes", archive.read(name)
                yield from _decoded(archive.read(name))
    elif data[8:12] == b"DUCK" and path is not None:
        with duckdb.connect(path, read_only=True) as connection:
            tables = connection.sql("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
            for schema, name in tables:
                for row in connection.sql(f'FROM "{schema}"."{name}"').fetchall():
                    yield from _leaves(list(row))
            yield from _leaves([r[0] for r in connection.sql("SELECT sql FROM duckdb_views()").fetchall()])


def _leaves(cell: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(cell, dict):
        yield from _leaves(list(cell.items()))
    elif isinstance(cell, list | tuple):
        for one in cell:
            yield from _leaves(one)
    elif isinstance(cell, str):
        yield "text", cell
    elif isinstance(cell, float):
        yield "number", cell


def _sightings(folder: Path, patient: str, numbers: set[float], digests: set[str]) -> dict[str, set[str]]:
    """Files that hold the pseudonym, one of the numbers, or one of the digests."""
    seen: dict[str, set[str]] = {}
    packed = _Packed(numbers)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        where = path.relative_to(folder).as_posix()
        # A table says the same thing in many cells.
        for kind, content in {("text", where), *_contents(path)}:
            if kind == "number":
                if content in numbers:
                    seen.setdefault(where, set()).add("value")
                continue
            if kind == "bytes":
                if packed.is_in(content):
                    seen.setdefault(where, set()).add("value")
                text = _text(content, patient)
            else:
                text = str(content)
            if any(digest in text for digest in digests):
                seen.setdefault(where, set()).add("digest")
            if _is_named(text, patient):
                seen.setdefault(where, set()).add("pseudonym")
    return seen


def _text(content: bytes, patient: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        # In binary bytes a short pseudonym stands by chance.
        return re.sub(r"[^a-f0-9]", " ", text) if len(patient) < 5 else text


def _is_named(text: str, patient: str) -> bool:
    if patient not in text.replace("_", " "):
        return False
    token = rf"(?<![\w]){re.escape(patient)}(?![\w])"
    keyed = rf"patient\w*\W{{1,12}}{re.escape(patient)}(?![\w])"
    # Pseudonyms that contain this one are others'; an underscore is no part of one.
    plain = re.sub(r"\bP1-2\b", "", text).replace("_", " ")
    named = re.search(keyed, text) if patient.isdigit() else re.search(token, plain)
    return bool(named) or text.strip() == patient


class _Packed:
    """A thousand numbers, looked for at every byte at once."""

    def __init__(self, numbers: set[float]) -> None:
        self._wanted = np.array(sorted(numbers)).view(np.uint64)
        self._ends = np.zeros(1 << 16, bool)
        self._ends[self._wanted & 0xFFFF] = True

    def is_in(self, content: bytes) -> bool:
        """Whether one of them stands there as a float64."""
        for start in range(min(8, max(0, len(content) - 7))):
            words = np.frombuffer(content, np.uint64, (len(content) - start) // 8, start)
            likely = words[self._ends[words & 0xFFFF]]
            if np.isin(likely, self._wanted).any():
                return True
        return False


def test_this_search_sees_what_it_looks_for(tmp_path: Path) -> None:
    """A number at every offset, and no other number."""
    for offset in range(9):
        file = tmp_path / f"{offset}.bin"
        file.write_bytes(b"x" * offset + np.float64(1 / 3).tobytes())
        assert set(_sightings(tmp_path, "P1", {1 / 3, 0.7}, set())) == {file.name}
        assert _sightings(tmp_path, "P1", {0.3, 0.7}, set()) == {}
        file.unlink()


def _marks(project: Project, patient: str) -> tuple[set[float], set[str]]:
    """Numbers and digests of a patient, from the live tables; those of others are left out."""
    own: tuple[set[float], set[str]] = (set(), set())
    rest: tuple[set[float], set[str]] = (set(), set())
    for name in ("cr", "imported", "masks", "images"):
        for row in project.store.tables[name].read().to_pylist():
            numbers, digests = own if row["patient_id"] == patient else rest
            digests.update(
                row.get(n) or "" for n in ("image_digest", "mask_digest", "organ_digest", "input_digest")
            )
            numbers.update(
                v for kind, v in _leaves(list(row.values())) if kind == "number" and len(repr(v)) > 14
            )
    return own[0] - rest[0], own[1] - rest[1] - {""}


def _others(project: Project, patient: str) -> dict[str, pa.Table]:
    """Every row of everybody else, in the order of the keys."""
    found = {}
    with duckdb.connect() as connection:
        for name, table in patient_tables(project.store).items():
            scan = f"FROM ({table.scan(table.files())}) WHERE patient_id <> $patient ORDER BY ALL"
            found[name] = connection.sql(scan, params={"patient": patient}).to_arrow_table()
    return found


@pytest.mark.parametrize("patient", PLANTED)
def test_no_byte_of_a_planted_patient_is_left(filled: Project, patient: str) -> None:
    """In tables, log, checkpoints, volumes, statistics, run and leftovers; others keep every bit."""
    numbers, digests = _marks(filled, patient)
    before = _others(filled, patient)
    seen = _sightings(filled.folder, patient, numbers, digests)
    tables = {where.split("/")[2] for where in seen if where.startswith("store/tables/")}
    assert tables == {*before, "feature_statistics"}
    assert any("_delta_log" in where and where.endswith(".json") for where in seen)
    assert any(where.endswith("checkpoint.parquet") for where in seen)
    assert any(where.startswith("store/images/") for where in seen) is (patient != "P1")
    assert any(where.startswith("store/masks/") for where in seen)
    assert {where.split("/")[-1] for where in seen if where.startswith("runs/")} >= {
        "CR.parquet",
        "metrics.json",
    }

    summary = filled.erase(patient)

    assert _sightings(filled.folder, patient, numbers, digests) == {}
    assert summary.proof.traces == ()
    assert summary.is_absent
    after = _others(Project(filled.folder), patient)
    assert {name: rows.equals(before[name]) for name, rows in after.items()} == dict.fromkeys(before, True)
    assert [len(run.bundles) for run in summary.runs] == [3]
    assert len(summary.unfinished) == 1


def test_the_run_leaves_a_note(filled: Project) -> None:
    """Number, time, models; and the history goes on without it."""
    run = next(path for path in filled.runs.iterdir() if not path.name.startswith("."))
    created = json.loads((run / "metrics.json").read_text())["created"]
    filled.erase("P1")
    assert [path.name for path in filled.runs.iterdir()] == [run.name]
    assert [path.name for path in run.iterdir()] == ["erased.json"]
    note = json.loads((run / "erased.json").read_text())
    assert (note["run_id"], note["created"]) == (run.name, created)
    assert (note["models"], note["reason"]) == (["CR", "both", "joined"], "a patient was erased")
    history = filled.history()
    assert [row.command for row in history if row.readable] == ["store erase"]
    assert "train" not in [row.command for row in history]
    with pytest.raises(StoreError, match="were removed by `mvi store gc` or `erase`"):
        filled.sql("FROM cr", as_of="1")
    newest = str(history[-1].snapshot)
    assert filled.sql("FROM cr_all", as_of=newest).num_rows == filled.sql("FROM cr_all").num_rows > 0
    assert filled.train().left_out == 0


def test_bundles_stay_on_request(filled: Project) -> None:
    """And go with the next patient, since nobody can tell then whose values they were fitted on."""
    run = next(path for path in filled.runs.iterdir() if not path.name.startswith("."))
    kept = filled.erase("P1", keep_bundles=True)
    assert kept.bundles_kept
    assert sorted(path.name for path in run.iterdir()) == ["erased.json", "models"]
    next_one = filled.erase("17")
    assert [(one.run_id, one.certain) for one in next_one.runs] == [(run.name, False)]
    assert [path.name for path in run.iterdir()] == ["erased.json"]
    assert next_one.is_absent


def test_a_dry_run_tells_and_changes_nothing(filled: Project) -> None:
    """Rows, volumes, runs and files of the user that name the patient."""
    (filled.folder / "clinical.csv").write_text("patient_id,age\nO'Neil,50\n")
    before = {path: path.stat().st_mtime_ns for path in filled.folder.rglob("*") if path.is_file()}
    told = filled.erase("O'Neil", dry_run=True)
    assert {path: path.stat().st_mtime_ns for path in filled.folder.rglob("*") if path.is_file()} == before
    assert told.rows == {
        "patients": 1,
        "images": 2,
        "masks": 4,
        "cr": 8,
        "dlr": 4,
        "imported": 1,
        "quarantine": 1,
        "clinical": 1,
        "exclusions": 1,
        "attempts": 1,
    }
    assert "clinical.csv" in [str(trace.path) for trace in told.proof.traces]
    assert not told.is_absent
    done = filled.erase("O'Neil")
    assert (done.rows, done.volumes, done.runs) == (told.rows, told.volumes, told.runs)
    assert [str(trace.path) for trace in done.proof.traces] == ["clinical.csv"]
    assert not done.is_absent
    (filled.folder / "clinical.csv").unlink()
    assert filled.erase("O'Neil", dry_run=True).is_absent


def test_queries_that_name_the_patient_leave_the_prompt(filled: Project) -> None:
    """Its history lies outside of the project."""
    history_file().parent.mkdir(parents=True)
    history_file().write_text("\n# 2026-01-01\n+FROM cr WHERE patient_id = 'P1'\n\n# 2026-01-02\n+FROM cr\n")
    assert filled.erase("P1").entries == 1
    assert "P1" not in history_file().read_text()


def test_the_same_patient_comes_back_by_ingest_only(small: Any, tmp_path: Path) -> None:
    """Nothing is missing after the erasure; the same images give the same values again."""
    query = "FROM cr WHERE patient_id = 'P1' ORDER BY phase, region, image_type"
    columns = "SELECT * EXCLUDE (run_id, computed_at, duration_s)"
    before = small.open().sql(f"{columns} {query}")
    assert small.open().erase("P1").is_absent
    assert small.open().check().findings == ()
    assert small.extract().planned == 0
    shutil.move(tmp_path / "data", small.data)
    small.open().ingest(small.write_manifest([("P1", "AP"), ("P1", "PP")]))
    assert small.extract().computed > 0
    assert small.open().sql(f"{columns} {query}").equals(before)
    assert before.num_rows > 0


def test_the_last_patient_leaves_an_empty_store(small: Any) -> None:
    """Which can be asked, and has statistics of nobody."""
    for patient in ("P1", "O'Neil"):
        assert small.open().erase(patient).is_absent
    project = small.open()
    assert project.sql("FROM cr_all").num_rows == project.sql("FROM feature_statistics").num_rows == 0
    assert [p for kind in ("images", "masks") for p in (project.store.root / kind).rglob("*")] == []


@pytest.mark.usefixtures("unplanted")
@pytest.mark.parametrize(
    ("step", "call"),
    [
        ("_delete", 3),
        ("volumes_without", 1),
        ("refresh_statistics", 1),
        ("drop_dead_files", 3),
        ("end_log", 5),
        # The checkpoint is there, and the log before it as well.
        ("_last_checkpoint", 1),
        ("_last_checkpoint", 5),
    ],
)
def test_a_second_call_finishes_after_a_kill(
    small: Any, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    """At any step: the store opens meanwhile, and nothing is left at the end."""
    numbers, digests = _marks(small.open(), "P1")
    expected = _others(small.open(), "P1")
    whole, calls = getattr(steps, step), 0

    def killed(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return whole(*args)

    with monkeypatch.context() as patch:
        patch.setattr(steps, step, killed)
        with pytest.raises(KeyboardInterrupt):
            small.open().erase("P1")
    assert _sightings(small.folder, "P1", numbers, digests) != {}
    small.open().sql("FROM cr_all")
    assert small.open().erase("P1").is_absent
    assert _sightings(small.folder, "P1", numbers, digests) == {}
    assert {n: rows.equals(expected[n]) for n, rows in _others(small.open(), "P1").items()} == dict.fromkeys(
        expected, True
    )


@pytest.mark.usefixtures("unplanted")
@pytest.mark.parametrize("step", ["write_text", "replace", "rmtree 1", "rmtree 2", "unlink 1"])
def test_a_second_call_finishes_after_a_kill_inside_of_a_run(
    filled: Project, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Before the note, in the middle of it, between two folders, and before a file."""
    numbers, digests = _marks(filled, "P1")
    run = next(path for path in filled.runs.iterdir() if not path.name.startswith("."))
    created = json.loads((run / "metrics.json").read_text())["created"]
    name, _, number = step.partition(" ")
    owner: Any = shutil if name == "rmtree" else Path
    whole, calls = getattr(owner, name), 0

    def killed(path: Path, *args: Any, **options: Any) -> Any:
        nonlocal calls
        if Path(path).is_relative_to(run):
            calls += 1
            if calls == int(number or 1):
                if name == "write_text":
                    whole(path, args[0][:20], **options)
                raise KeyboardInterrupt
        return whole(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(KeyboardInterrupt):
            filled.erase("P1")
    assert [path.name for path in run.iterdir()] != ["erased.json"]
    done = Project(filled.folder).erase("P1")
    assert done.is_absent
    assert [one.run_id for one in done.runs] == [run.name]
    assert _sightings(filled.folder, "P1", numbers, digests) == {}
    assert [path.name for path in run.iterdir()] == ["erased.json"]
    assert json.loads((run / "erased.json").read_text())["created"] == created


def _moved(project: Project, names: Iterable[str]) -> Path:
    """Parts of a project lie on another disk, and links lead there."""
    disk = project.folder.parent / "disk"
    disk.mkdir()
    for name in names:
        shutil.move(project.folder / name, disk)
        (project.folder / name).symlink_to(disk / name)
    return disk


@pytest.mark.parametrize("names", [("runs",), ("store",)])
def test_a_store_and_runs_that_are_links_are_erased_and_searched(
    filled: Project, names: tuple[str, ...]
) -> None:
    """As if they lay in the project; both at once are links in the next test."""
    plain = filled.erase("P1", dry_run=True)
    disk = _moved(filled, names)
    linked = Project(filled.folder)
    numbers, digests = _marks(linked, "P1")
    assert _sightings(disk, "P1", numbers, digests) != {}
    assert linked.erase("P1", dry_run=True) == plain
    assert len(plain.runs) == len(plain.unfinished) == 1

    done = linked.erase("P1")

    assert (done.rows, done.volumes, done.runs, done.unfinished) == (
        plain.rows,
        plain.volumes,
        plain.runs,
        plain.unfinished,
    )
    assert done.is_absent
    assert done.proof.files > 20
    for folder in (filled.folder, disk):
        assert _sightings(folder, "P1", numbers, digests) == {}
    assert all((filled.folder / name).is_symlink() for name in names)


def test_a_run_that_names_the_patient_is_found_behind_a_link(filled: Project) -> None:
    """Also when the store has forgotten the patient."""
    _moved(filled, ["store", "runs"])
    project = Project(filled.folder)
    run = next(path for path in project.runs.iterdir() if not path.name.startswith("."))
    matrix = (run / "matrices" / "CR.parquet").read_bytes()
    project.erase("P1")
    (run / "matrices").mkdir()
    (run / "matrices" / "CR.parquet").write_bytes(matrix)
    told = project.erase("P1", dry_run=True)
    assert [trace.path.as_posix() for trace in told.proof.traces] == [f"runs/{run.name}/matrices/CR.parquet"]
    assert [one.run_id for one in told.runs] == [run.name]
    assert project.erase("P1").is_absent
    assert not (run / "matrices").exists()


@pytest.mark.parametrize("target", ["folder", "file"])
def test_absence_is_not_claimed_behind_other_links(filled: Project, tmp_path: Path, target: str) -> None:
    """Nobody looks there, and the user is told."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (filled.folder / "data").symlink_to(tmp_path / target)
    done = filled.erase("P1")
    assert [(one.path.as_posix(), one.kind, one.what) for one in done.proof.traces] == [
        ("data", "unreadable", "a link, not searched")
    ]
    assert not done.is_absent


def test_what_cannot_be_erased_is_said_before_anything_goes(
    small: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody of that name, nothing ingested, a search that does not see, a store in use."""
    project = small.open()
    with pytest.raises(UsageError, match=r"neither a table nor a file .* check the pseudonym, capital"):
        project.erase("p1")
    assert project.erase("p1", dry_run=True).is_absent
    with pytest.raises(UsageError, match="the pseudonym is empty"):
        project.erase(" ")
    with pytest.raises(StoreError, match="the store is empty"):
        tiny.open().erase("P1")
    with (
        project.store.locked("test"),
        pytest.raises(StoreError, match="wait for it to end before `mvi store erase`"),
    ):
        small.open().erase("P1")

    def blind(_: object) -> tuple[str, ...]:
        raise StoreError("the search did not find what was planted; report this")

    monkeypatch.setattr(erasure, "plant_and_find", blind)
    with pytest.raises(StoreError, match="did not find what was planted"):
        project.erase("P1")
    assert project.sql("FROM cr WHERE patient_id = 'P1'").num_rows > 0


WORDS = ("AP", "NULL", "images", "female")
"""Words of the study and of the program, which a catalog or a table holds without any patient."""


@pytest.mark.usefixtures("commented")
def test_a_word_that_names_nobody_is_refused(small: Any) -> None:
    """Nothing is touched."""
    before = {p: p.stat().st_mtime_ns for p in small.folder.rglob("*") if p.is_file()}
    for word in WORDS:
        with pytest.raises(UsageError, match="neither a table nor a file of this project names the patient"):
            small.open().erase(word)
    after = {p: p.stat().st_mtime_ns for p in small.folder.rglob("*") if p.is_file() and p.name != ".lock"}
    assert after == {path: time for path, time in before.items() if path.name != ".lock"}


@pytest.mark.usefixtures("commented")
@pytest.mark.parametrize("patient", ["AP", "NULL"])
def test_a_patient_who_is_called_like_a_word_is_erased(
    written: WrittenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patient: str
) -> None:
    """The word itself stays, and is no trace; a file that names the patient is one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in (patient, "P1"):
        for phase in ("AP", "PP"):
            for region in ("intratumoral", "peritumoral"):
                written.voi(name, phase, region, shift=len(name) / 7)
    written.clinical([{"patient_id": name, "mvi": 0, "centre": "A"} for name in (patient, "P1")])
    project = written.project
    project.settle("extract")
    note = project.folder / "note.json"
    note.write_text(json.dumps({"patient_id": patient}))
    told = project.erase(patient)
    assert told.rows["cr"] == 8
    assert [trace.path.as_posix() for trace in told.proof.traces] == ["note.json"]
    note.unlink()
    assert project.erase(patient, dry_run=True).is_absent
    tables = {n: rows for n, rows in _others(project, "nobody").items() if rows.num_rows}
    assert {value for rows in tables.values() for value in rows.column("patient_id").to_pylist()} == {"P1"}
    log = b"".join(p.read_bytes() for p in project.store.root.rglob("*.json"))
    assert f'patient_id\\":\\"{patient}'.encode() not in log


@pytest.mark.usefixtures("commented")
def test_no_word_of_a_fresh_catalog_is_a_trace(written: WrittenProject, tmp_path: Path) -> None:
    """Each word of its SQL, its comments and its tables, looked for as a patient of that name."""
    written.project.store.root.mkdir()
    written.project.publish()
    catalog = tmp_path / "search" / "mvi.duckdb"
    catalog.parent.mkdir()
    shutil.copy(written.project.store.catalog, catalog)
    with duckdb.connect(catalog, read_only=True) as connection:
        texts = [sql for (sql,) in connection.sql("SELECT sql FROM duckdb_views()").fetchall()]
        for kind in (connection.table_function(f"duckdb_{name}") for name in ("tables", "views", "columns")):
            texts += [comment for (comment,) in kind.select("comment").fetchall() if comment]
    words = tuple(sorted(set(re.findall(r"[^\W\d]\w+", " ".join(texts)))))
    assert len(words) > 300
    assert {"NULL", "SELECT", "patient_id", "intratumoral"} <= set(words)
    assert find_traces(catalog.parent, Needles(words, words=words)) == []
