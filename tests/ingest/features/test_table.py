"""Tables of features that others computed: every value as written, nothing guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvi_ray.errors import ManifestError, UsageError
from mvi_ray.ingest.features import KeyRules

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Tables


def test_wide_table_of_phases_and_regions_becomes_vois(tables: Tables, tmp_path: Path) -> None:
    """Names are matched, not split; what does not fit is told, and a missing image is no row."""
    found = tables.text(
        tmp_path,
        "Patient,AP_intratumoral_a_b,PP_intratumoral_a_b,PP_peritumoral_c,HBP_intratumoral_a_b,note",
        "007,1,2,3,4,x",
        "7,5,,,,y",
        rules=KeyRules.of(columns="{phase}_{region}_{feature}"),
    )
    assert found.keys == [
        tables.key("007"),
        tables.key("007", "PP"),
        tables.key("007", "PP", "peritumoral"),
        tables.key("7"),
    ]
    assert found.names == ("a_b", "c")
    assert found.values[:, 0].tolist()[:2] == [1, 2]
    assert found.defined.tolist() == [[True, False], [True, False], [False, True], [True, False]]
    assert found.dropped["HBP_intratumoral_a_b"] == "does not fit {phase}_{region}_{feature}"
    assert tables.told(found) == [
        ("warning", 1, "2 columns do not fit {phase}_{region}_{feature} and were left out"),
        ("warning", 3, "no value of this VOI stands in the table"),
        ("warning", 3, "no value of this VOI stands in the table"),
    ]


def test_column_that_can_be_read_in_two_ways_is_refused(tables: Tables, tmp_path: Path) -> None:
    """One phase begins another."""
    with pytest.raises(ManifestError, match=r"'A_B_x' can be read as A \| B_x or A_B \| x; rename it"):
        tables.text(
            tmp_path, "ID,A_B_x", "1,2", rules=KeyRules.of(columns="{phase}_{feature}"), phases=("A", "A_B")
        )
    with pytest.raises(ManifestError, match=r"no column fits {phase}_{feature}; compare it with the header"):
        tables.text(tmp_path, "ID,x", "1,2", rules=KeyRules.of(columns="{phase}_{feature}"))


def test_keys_come_from_columns(tables: Tables, tmp_path: Path) -> None:
    """Blank cells of the parts that have a default are the default."""
    found = tables.text(
        tmp_path,
        "ID,Phase,Session,Lesion,Region,Reader,f",
        "007,AP,,,,,1",
        "007,PP,later,2,peritumoral,R2,2",
        rules=KeyRules(),
    )
    assert found.keys == [
        tables.key("007"),
        tables.key("007", "PP", "peritumoral", session="later", lesion="2", reader="R2"),
    ]


def test_rows_without_a_key_are_told_and_their_cells_are_not(tables: Tables, tmp_path: Path) -> None:
    """A wrong column may hold names: the message says what the study has."""
    found = tables.text(
        tmp_path,
        "ID,Phase,Region,Reader,f",
        ",AP,,,1",
        "1,Mueller,,,1",
        "2,,,,1",
        "3,AP,Mueller,,1",
        "4,AP,,Mueller Hans,1",
        '"5\n6",AP,,,1',
        "7,AP,,,1",
        ",AP,,,2",
        rules=KeyRules(),
    )
    assert found.keys == [tables.key("7")]
    assert tables.told(found) == [
        ("error", 2, "patient_id is blank (in 2 lines)"),
        ("error", 3, "the study has no such phase"),
        ("error", 4, "phase is blank"),
        ("error", 5, "the study has no such region"),
        ("error", 6, "reader is no name"),
        ("error", 8, "patient_id holds a line break or another control character"),
    ]
    assert "use one of AP, PP, or name the right column with --key phase=COLUMN" in repr(found.problems)
    assert "Mueller" not in repr(found.problems)


def test_readers_of_the_study_are_checked_when_they_are_known(tables: Tables, tmp_path: Path) -> None:
    """As phases and regions are; a value of the command line stops at once."""
    found = tables.text(tmp_path, "ID,reader,f", "1,R1,1", "2,R9,1", readers=("R1", "R2"))
    assert tables.told(found) == [("error", 3, "the study has no such reader")]
    with pytest.raises(UsageError, match="the study has no phase 'HBP'; use one of AP, PP"):
        tables.text(tmp_path, "ID,f", "1,1", rules=KeyRules.of(constants=["phase=HBP"]))
    with pytest.raises(UsageError, match="the study has no reader 'R1'; use one of A"):
        tables.text(tmp_path, "ID,f", "1,1", readers=("A",))


def test_same_voi_with_other_values_costs_both_rows(tables: Tables, tmp_path: Path) -> None:
    """Which one is right, only the user knows; equal rows are one."""
    found = tables.text(tmp_path, "ID,f,g", "1,1,", "2,1,2", "1,1,5", "3,1,nan", "3,1,nan", "4,1,", "4,1,nan")
    assert found.keys == [tables.key("2"), tables.key("3")]
    assert tables.told(found) == [
        ("error", 4, "the same VOI stands in lines 2, 4 with different values"),
        ("warning", 6, "the same VOI stands in lines 5, 6 with equal values"),
        ("error", 8, "the same VOI stands in lines 7, 8 with different values"),
    ]


def test_empty_is_not_nan(tables: Tables, tmp_path: Path) -> None:
    """An empty cell was not computed; nan is what the engine returned."""
    found = tables.text(tmp_path, "ID,f,g,h", "1,nan,,1", "2,NaN,NA,1", "3,2,3,1")
    assert found.defined.tolist() == [[True, False, True], [True, False, True], [True, True, True]]
    assert np.isnan(found.values[:2, :2]).all()
    assert found.problems == ()


def test_infinite_values_are_nan_and_counted(tables: Tables, tmp_path: Path) -> None:
    """Also a number that no double holds."""
    found = tables.text(tmp_path, "ID,f,g", "1,inf,1", "2,-Infinity,1e999", "3,1,2")
    assert found.defined.all()
    assert np.isnan(found.values).tolist() == [[True, False], [True, True], [False, False]]
    assert tables.told(found) == [
        ("warning", None, "infinite values were taken as NaN: f (2 rows), g (1 rows)")
    ]


def test_text_in_a_number_cell_costs_its_row(tables: Tables, tmp_path: Path) -> None:
    """The cell is not repeated, and a column of nothing but text is no feature."""
    found = tables.text(tmp_path, "ID,f,g,name,none", "1,<5,1_000,Mueller,", "2,3,4,Hans,NA", "3,3,١٢,,")
    assert found.keys == [tables.key("2")]
    assert found.names == ("f", "g")
    assert found.dropped == {"name": "text", "none": "empty"}
    assert tables.told(found) == [
        ("error", 2, "2 cells hold text where others hold numbers (first: f)"),
        ("error", 4, "1 cells hold text where others hold numbers (first: g)"),
    ]
    assert "Mueller" not in repr(found)


def test_outcomes_and_clinical_variables_are_no_features(tables: Tables, tmp_path: Path) -> None:
    """Nor what the study declares as clinical."""
    found = tables.text(tmp_path, "ID,Label,outcome,mvi,afp,f", "1,0,1,1,5,2", clinical=("mvi", "afp"))
    assert found.names == ("f",)
    assert found.dropped == {
        "Label": "label or outcome",
        "outcome": "label or outcome",
        "mvi": "clinical variable of the study",
        "afp": "clinical variable of the study",
    }


def test_german_spreadsheets_are_read(tables: Tables, tmp_path: Path) -> None:
    """A mark at the start, semicolons and decimal commas; the file is told to be one."""
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfID;f;g\r\n007;1,5;-,25E-2\r\n8;2;3,;\r\n;;;\r\n")
    found = tables.read(path)
    assert found.keys == [tables.key("007"), tables.key("8")]
    assert found.values.tolist() == [[1.5, -0.0025], [2, 3]]
    assert tables.told(found) == [("warning", 1, "numbers have a decimal comma and were read so")]


def test_commas_that_may_be_thousands_are_not_guessed(tables: Tables, tmp_path: Path) -> None:
    """Points and commas in one file, or a comma where commas separate cells."""
    with pytest.raises(
        ManifestError, match=r"some numbers .* decimal comma and some a decimal point; write all"
    ):
        tables.text(tmp_path, "ID;f;g", "1;1,5;2", "2;3;1.234")
    found = tables.text(tmp_path, "ID,f", '1,"1,234"', "2,1")
    assert tables.told(found) == [("error", 2, "1 cells hold text where others hold numbers (first: f)")]


def test_patients_written_as_fractions_are_refused(tables: Tables, tmp_path: Path) -> None:
    """007 has become 7.0 on its way, and nobody can say what it was."""
    with pytest.raises(
        ManifestError, match=r"patient_id is written with a decimal point, as in 0.0: .*; write"
    ) as e:
        tables.text(tmp_path, "ID,f", "7.0,1")
    assert "7.0" not in e.value.message
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"ID": [7.0], "f": [1.0]}), path)
    with pytest.raises(ManifestError, match="patient_id is written with a decimal point"):
        tables.read(path)


def test_long_table_becomes_vois(tables: Tables, tmp_path: Path) -> None:
    """Features in the order of the file; what no line gives is NULL."""
    found = tables.text(
        tmp_path,
        "patient_id,phase,Feature,Value,unit",
        "007,AP,a,1.5,mm",
        "007,AP,b,nan,",
        "007,PP,b,2,",
        "8,AP,software,v3.0,",
        "8,AP,a,4,",
        "8,AP,label,1,",
        "8,AP,a,4,",
        rules=KeyRules(),
    )
    assert found.settings == {"layout": "long", "software": None}
    assert found.keys == [tables.key("007"), tables.key("007", "PP"), tables.key("8")]
    assert found.names == ("a", "b")
    assert found.defined.tolist() == [[True, True], [False, True], [True, False]]
    assert found.values[:, 0].tolist()[::2] == [1.5, 4]
    assert found.dropped == {"label": "label or outcome", "software": "text", "unit": "not read"}
    assert found.problems == ()


def test_long_table_that_contradicts_itself_costs_the_voi(tables: Tables, tmp_path: Path) -> None:
    """The line and the feature are named."""
    found = tables.text(tmp_path, "ID,feature,value", "1,a,1", "1,b,2", "2,a,1", "1,b,3")
    assert found.keys == [tables.key("2")]
    assert tables.told(found) == [("error", 5, "b stands twice for this VOI with different values")]
    assert found.problems[0].patient_id == "1"


def test_long_names_may_hold_phase_and_region(tables: Tables, tmp_path: Path) -> None:
    """The pattern is that of wide tables."""
    found = tables.text(
        tmp_path,
        "ID,feature,value",
        "1,AP_intratumoral_a,1",
        "1,PP_peritumoral_a,2",
        "1,HBP_intratumoral_a,2",
        rules=KeyRules.of(columns="{phase}_{region}_{feature}"),
    )
    assert found.keys == [tables.key("1"), tables.key("1", "PP", "peritumoral")]
    assert found.names == ("a",)
    assert found.dropped == {"HBP_intratumoral_a": "does not fit {phase}_{region}_{feature}"}


def test_long_table_needs_its_two_columns(tables: Tables, tmp_path: Path) -> None:
    """When it is said to be one."""
    with pytest.raises(ManifestError, match="one column 'feature' and one column 'value'; rename yours"):
        tables.text(tmp_path, "ID,name,value", "1,a,1", layout="long")


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_parquet_and_arrow_come_in_by_their_types(tables: Tables, tmp_path: Path, kind: str) -> None:
    """Null and NaN stay apart; integers, small floats and dictionaries are what they mean."""
    table = pa.table(
        {
            "ID": pa.array([7, 8]),
            "Phase": pa.array(["AP", "PP"]).dictionary_encode(),
            "d": [0.1, float("nan")],
            "n": pa.array([None, 1.0]),
            "i": pa.array([1, 2], pa.int32()),
            "s": pa.array([0.1, float("inf")], pa.float32()),
            "t": ["1.5", None],
            "word": ["x", "y"],
            "flag": [True, False],
            "nothing": pa.nulls(2),
        }
    )
    # The kind shows in the content, whatever the file is called.
    path = tmp_path / "table.dat"
    if kind == "parquet":
        pq.write_table(table, path)
    else:
        pa.feather.write_feather(table, str(path), compression="uncompressed")
    found = tables.read(path, KeyRules())
    assert found.keys == [tables.key("7"), tables.key("8", "PP")]
    assert found.names == ("d", "n", "i", "s", "t")
    assert found.values[0].tolist()[2:] == [1.0, float(np.float32(0.1)), 1.5]
    assert found.defined.tolist() == [[True, False, True, True, True], [True, True, True, True, False]]
    assert found.dropped == {"word": "text", "flag": "text", "nothing": "empty"}
    assert tables.told(found) == [("warning", None, "infinite values were taken as NaN: s (1 rows)")]


def test_integers_beyond_a_double_are_refused(tables: Tables, tmp_path: Path) -> None:
    """2^53 + 1 would become its neighbour."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"ID": ["a"], "f": [2**53 + 1]}), path)
    with pytest.raises(
        ManifestError, match="'f' holds integers that a double cannot hold exactly; leave it out"
    ):
        tables.read(path)


VALUES = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,12}", fullmatch=True).filter(
    lambda name: (
        name.lower() not in {"id", "y", "label", "outcome", "target", "class", "image", "mask"}
        and name.lower()
        not in {"patient", "case", "feature", "value", "session", "phase", "lesion", "region"}
        and name.lower() not in {"reader", "patient_id", "patientid", "caseid", "casename", "sample_name"}
    )
)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_doubles_come_back_from_every_format(
    tables: Tables, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """To the last bit, in the order of the file: wide CSV, long CSV, Parquet."""
    names = data.draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    patients = [f"{number:03}" for number in range(data.draw(st.integers(1, 4)))]
    rows = [data.draw(st.lists(VALUES, min_size=len(names), max_size=len(names))) for _ in patients]
    folder = tmp_path_factory.mktemp("formats")
    wide = [["ID", *names], *([p, *map(repr, row)] for p, row in zip(patients, rows, strict=True))]
    long = [["ID", "feature", "value"]]
    long += [
        [p, n, repr(v)]
        for p, row in zip(patients, rows, strict=True)
        for n, v in zip(names, row, strict=True)
    ]
    for path, lines in ((folder / "wide.csv", wide), (folder / "long.csv", long)):
        path.write_text("\n".join(map(",".join, lines)), encoding="utf-8")
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    pq.write_table(pa.table({"ID": patients, **columns}), folder / "t.parquet")
    for file, layout in (("wide.csv", "wide"), ("long.csv", "long"), ("t.parquet", "wide")):
        found = tables.read(folder / file, layout=layout)
        assert found.names == tuple(names)
        assert found.keys == [tables.key(patient) for patient in patients]
        assert found.values.tobytes() == np.array(rows).tobytes()
        assert found.defined.all()
        assert found.problems == ()


def test_thousands_of_columns_are_read(tables: Tables, tmp_path: Path) -> None:
    """Six image sets of 19 image types, as the study has: 10,686 columns, to the last bit."""
    wanted = np.random.default_rng(1).standard_normal((3, 10_686))
    lines = ["ID," + ",".join(f"f{number}" for number in range(wanted.shape[1]))]
    lines += [f"P{at}," + ",".join(map(repr, row.tolist())) for at, row in enumerate(wanted)]
    assert tables.text(tmp_path, *lines).values.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no header; its first line names the columns"),
        (b"ID,f\n", "has no rows; it needs a header and a line per case"),
        (b"ID,f,f\n1,2,3\n", "columns 2 and 3 have the same name; rename one, or delete it"),
        (b"ID,,f\n1,2,3\n", "column 2 has no name; give it one, or delete it"),
        (b"ID,f\n1,2,3\n", "line 2: 3 cells under 2 columns; quote cells"),
        (b'ID,f\n1,"2\n', "line 2: unexpected end of data; check its quotes"),
        (b"ID,f\n1,x\n", "no column of the table holds numbers; check its layout"),
        (b"ID,label\n1,1\n", "no column that is a feature .wide.; name the right layout"),
        ("ID,f\nä,1\n".encode("latin-1"), "is not UTF-8 text; save it as 'CSV UTF-8'"),
        (b"PK\x03\x04rest", "is a spreadsheet or an archive; save the sheet as 'CSV UTF-8'"),
        (b"\xd0\xcf\x11\xe0rest", "is an Excel file; save the sheet as 'CSV UTF-8'"),
        (b"\x80\x04\x95rest", "is a pickle, which can run code when it is opened; save it as Parquet or CSV"),
        (b"\x1f\x8brest", "is compressed; unpack it first"),
        (b"PAR1rest", "is damaged; write it again"),
        (b"ARROW1rest", "is damaged; write it again"),
    ],
)
def test_file_that_cannot_be_used_is_told(
    tables: Tables, tmp_path: Path, content: bytes, message: str
) -> None:
    """With the way out, and without its folder."""
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=message) as caught:
        tables.read(path)
    assert caught.value.way_out
    assert str(tmp_path) not in caught.value.message


def test_missing_file_and_unknown_layout_are_told(tables: Tables, tmp_path: Path) -> None:
    """The name of the table is enough."""
    for name, message in (("none.csv", "the table none.csv does not exist; check"), ("", "cannot be read: ")):
        with pytest.raises(ManifestError, match=message):
            tables.read(tmp_path / name)
    with pytest.raises(UsageError, match="there is no layout 'excel'; use auto, pyradiomics, fae"):
        tables.text(tmp_path, "ID,f", "1,1", layout="excel")


def test_empty_tables_of_arrow_are_told(tables: Tables, tmp_path: Path) -> None:
    """As those of text."""
    pq.write_table(pa.table({"ID": pa.array([], pa.string())}), tmp_path / "t.parquet")
    with pytest.raises(ManifestError, match="has no rows; it needs one per case"):
        tables.read(tmp_path / "t.parquet")
