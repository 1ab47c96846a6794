"""Tables of PyRadiomics, FAE and MIRP: their values to the last bit, and how they were computed."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from mvi_ray.errors import ManifestError
from mvi_ray.ingest.features import KeyRules

if TYPE_CHECKING:
    from conftest import Tables


def stock_rows(folder: Path, **changes: Any) -> list[dict[str, Any]]:
    """What PyRadiomics itself computes for two small images, as its batch script joins it to the case."""
    import radiomics
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    radiomics.logger.setLevel(40)
    extractor = RadiomicsFeatureExtractor(**{"binWidth": 25, "resampledPixelSpacing": [1, 1, 1], **changes})
    extractor.enableImageTypeByName("LoG", customArgs={"sigma": [2.0]})
    rows = []
    for number in (1, 2):
        voxels = np.random.default_rng(number).integers(0, 200, (9, 10, 11)).astype("float32")
        labels = np.zeros(voxels.shape, dtype="uint8")
        labels[2:7, 2:7, 2:7] = number
        image, mask = folder / f"hans_{number}.nrrd", folder / f"roi_{number}.nrrd"
        for array, path in ((voxels, image), (labels, mask)):
            sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
        case = {"ID": f"00{number}", "Image": str(image), "Mask": str(mask), "Label": number}
        rows.append(case | dict(extractor.execute(str(image), str(mask), number)))
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """As the script of PyRadiomics writes them."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Two rows of stock PyRadiomics."""
    return stock_rows(tmp_path_factory.mktemp("stock"))


def test_pyradiomics_comes_in_to_the_last_bit(
    tables: Tables, tmp_path: Path, stock: list[dict[str, Any]]
) -> None:
    """Every feature, and no other column, under the patients as written."""
    found = tables.read(write_rows(tmp_path / "radiomics.csv", stock))
    names = [name for name in stock[0] if name.startswith(("original_", "log-sigma-"))]
    assert len(names) == 107 + 93
    assert found.names == tuple(names)
    assert found.keys == [tables.key("001"), tables.key("002")]
    for row, values in zip(stock, found.values, strict=True):
        assert [float(row[name]).hex() for name in names] == [float(value).hex() for value in values]
    assert found.defined.all()
    assert found.problems == ()
    assert found.dropped["Image"] == found.dropped["Mask"] == "path"
    assert found.dropped["Label"] == "label or outcome"
    assert found.dropped["diagnostics_Mask-original_BoundingBox"] == "diagnostics"


def test_settings_of_pyradiomics_are_kept_without_the_image(
    tables: Tables, tmp_path: Path, stock: list[dict[str, Any]]
) -> None:
    """Version, bin width and filters; no hash, path, size or label, which are the case's."""
    found = tables.read(write_rows(tmp_path / "radiomics.csv", stock)).settings
    assert found["layout"] == "pyradiomics"
    assert found["software"] == {
        "name": "PyRadiomics",
        "version": stock[0]["diagnostics_Versions_PyRadiomics"],
    }
    assert found["versions"]["Numpy"] == np.__version__
    assert (found["Settings"]["binWidth"], found["Settings"]["resampledPixelSpacing"]) == (25, [1, 1, 1])
    assert found["EnabledImageTypes"] == {"Original": {}, "LoG": {"sigma": [2.0]}}
    assert "label" not in found["Settings"]
    assert not [word for word in ("hans", "roi_", "Hash", str(tmp_path)) if word in json.dumps(found)]


def test_mixed_settings_are_refused(tables: Tables, tmp_path: Path, stock: list[dict[str, Any]]) -> None:
    """Values of two bin widths under one name would be compared as if they were one feature."""
    other = stock_rows(tmp_path, binWidth=10)[1]
    path = write_rows(tmp_path / "radiomics.csv", [stock[0], other])
    with pytest.raises(
        ManifestError, match=r"lines 2 and 3 .*Configuration_Settings.*; split the file"
    ) as caught:
        tables.read(path)
    assert caught.value.way_out.endswith("import the parts as two families")


def test_failed_extraction_is_told_and_costs_no_other(
    tables: Tables, tmp_path: Path, stock: list[dict[str, Any]]
) -> None:
    """PyRadiomics writes such a case as its name and empty cells."""
    failed = dict.fromkeys(stock[0], "") | {"ID": "003", "Image": "i", "Mask": "m", "Label": "1"}
    found = tables.read(write_rows(tmp_path / "radiomics.csv", [stock[0], failed, stock[1]]))
    assert found.keys == [tables.key("001"), tables.key("002")]
    assert tables.told(found) == [("error", 3, "no value of this VOI stands in the table")]
    assert found.problems[0].patient_id == "003"


def test_missing_diagnostics_are_a_warning(tables: Tables, tmp_path: Path) -> None:
    """The values come in, but nobody knows how they were made."""
    found = tables.text(
        tmp_path, "ID,Age,original_glcm_Contrast,wavelet-LLH_gldm_SmallDependenceEmphasis", "7,61,1,2"
    )
    assert found.names == ("original_glcm_Contrast", "wavelet-LLH_gldm_SmallDependenceEmphasis")
    assert found.dropped == {"Age": "no feature of PyRadiomics"}
    assert tables.told(found) == [
        ("warning", 1, "the table does not say with which settings it was computed"),
    ]


def test_paths_inside_settings_stay_outside(tables: Tables, tmp_path: Path) -> None:
    """And text that is no Python literal is kept as text."""
    found = tables.text(
        tmp_path,
        "ID,diagnostics_Versions_PyRadiomics,diagnostics_Configuration_Settings,original_glcm_Id",
        "1,v3.0.1,\"{'binWidth': 5, 'extra': '/home/mueller/x', 'step': 1e999, 'range': (1, 2)}\",0.5",
    )
    assert found.settings["Settings"] == {"binWidth": 5, "extra": None, "step": "inf", "range": [1, 2]}
    found = tables.text(
        tmp_path, "ID,diagnostics_Configuration_Settings,original_glcm_Id", "1,{'a': np.int64(3)},0.5"
    )
    assert found.settings["Settings"] == "{'a': np.int64(3)}"


# Layouts of FAE (github.com/salan668/FAE): its extractor writes CaseID or CaseName above the cases, its own
# tables nothing; 'label' is the outcome; names are the sequence, then PyRadiomics' name.
FAE_ROWS = (
    "label,AP_original_glcm_Contrast,AP_general_info_VoxelNum,PP_original_glcm_Contrast,PP_diagnostics_x",
    "0.0,1.5,338.0,2.5,1",
    "1.0,3.5,71.0,4.5,2",
)


@pytest.mark.parametrize("first", ["", "CaseID", "CaseName"])
def test_fae_comes_in_without_its_label(tables: Tables, tmp_path: Path, first: str) -> None:
    """The outcome is no feature; a case of several sequences is as many VOIs."""
    lines = [f"{a},{b}" for a, b in zip((first, "N10", "007"), FAE_ROWS, strict=True)]
    found = tables.text(tmp_path, *lines, rules=KeyRules.of(columns="{phase}_{feature}"))
    assert found.settings == {"layout": "fae", "software": {"name": "FAE", "version": None}}
    assert found.names == ("original_glcm_Contrast",)
    assert found.keys == [
        tables.key("N10"),
        tables.key("N10", "PP"),
        tables.key("007"),
        tables.key("007", "PP"),
    ]
    assert found.values.ravel().tolist() == [1.5, 2.5, 3.5, 4.5]
    assert found.dropped == {
        "label": "label or outcome",
        "AP_general_info_VoxelNum": "diagnostics",
        "PP_diagnostics_x": "diagnostics",
    }
    assert found.problems == ()


def test_first_column_of_fae_is_the_case_whatever_its_name(tables: Tables, tmp_path: Path) -> None:
    """FAE reads it so; another column can be named."""
    lines = ("Klinik,Label,ID,f", "A1,1,x,0.5", "A2,0,y,0.25")
    assert tables.text(tmp_path, *lines, layout="fae").keys == [tables.key("A1"), tables.key("A2")]
    rules = KeyRules.of(["patient_id=ID"], ["phase=AP"])
    assert tables.text(tmp_path, *lines, layout="fae", rules=rules).keys == [tables.key("x"), tables.key("y")]


def test_row_numbers_of_pandas_are_no_patients(tables: Tables, tmp_path: Path) -> None:
    """An unnamed first column of 0, 1, 2 is the index that pandas writes."""
    with pytest.raises(ManifestError, match="counts the rows; say which column names the patients"):
        tables.text(tmp_path, ",label,f", "0,1,0.5", "1,0,0.5")
    found = tables.text(tmp_path, ",patient_id,f", "0,A1,0.5", "1,A2,0.5")
    assert found.keys == [tables.key("A1"), tables.key("A2")]
    assert found.dropped == {"(first column)": "no name"}


# Columns of mirp.extract_features of MIRP 2.7.0, in its order; feature names of the same run.
MIRP = {
    "sample_name": "P01",
    "image_file_name": "mueller.nii.gz",
    "image_directory": "data/mueller",
    "image_study_date": "",
    "image_study_description": "MUELLER liver",
    "image_series_description": "",
    "image_series_instance_uid": "1.2.3",
    "image_modality": "generic",
    "image_measurement_unit": "",
    "image_pet_suv_type": "",
    "image_mask_label": "region_1",
    "image_mask_file_name": "mueller_mask.nii.gz",
    "image_mask_directory": "data/mueller",
    "image_mask_series_description": "",
    "image_mask_series_instance_uid": "",
    "image_settings_id": "",
    "image_voxel_size_x": "1.0",
    "image_voxel_size_y": "1.0",
    "image_voxel_size_z": "1.0",
    "image_noise_level": "",
    "image_noise_iteration_id": "",
    "image_rotation_angle": "0.0",
    "image_translation_x": "0.0",
    "image_translation_y": "0.0",
    "image_translation_z": "0.0",
    "image_mask_randomise_id": "",
    "image_mask_adapt_size": "0.0",
    "morph_volume": "207.66664123535156",
    "stat_mean": "97.82407407407408",
    "cm_contrast_d1_3d_v_mrg_fbn_n16": "41.5",
    "log_s_1.0_stat_var": "",
}


@pytest.mark.parametrize("mark", [",", ";"])
def test_mirp_comes_in_with_its_settings(tables: Tables, tmp_path: Path, mark: str) -> None:
    """Separated as pandas or as MIRP itself writes it; an empty cell is NULL."""
    found = tables.text(
        tmp_path,
        mark.join(MIRP),
        mark.join(MIRP.values()),
        mark.join((MIRP | {"sample_name": "P02", "log_s_1.0_stat_var": "2.5"}).values()),
    )
    assert found.keys == [tables.key("P01"), tables.key("P02")]
    assert found.names == tuple(list(MIRP)[27:])
    assert found.values[0, :3].tolist() == [207.66664123535156, 97.82407407407408, 41.5]
    assert found.defined.tolist() == [[True, True, True, False], [True] * 4]
    assert found.settings["software"] == {"name": "MIRP", "version": None}
    assert found.settings["columns"]["image_voxel_size_x"] == 1.0
    assert found.settings["columns"]["image_modality"] == "generic"
    assert found.settings["columns"]["image_noise_level"] is None
    assert found.problems == ()
    assert "mueller" not in repr((found.settings, found.dropped, found.problems)).lower()


def test_images_of_mirp_that_were_not_resampled_are_a_warning(tables: Tables, tmp_path: Path) -> None:
    """Voxel sizes are facts of the images; another rotation is another computation."""
    first, other = ",".join(MIRP.values()), MIRP | {"sample_name": "P02", "image_voxel_size_z": "3.0"}
    found = tables.text(tmp_path, ",".join(MIRP), first, ",".join(other.values()))
    assert found.settings["columns"]["image_voxel_size_z"] == "differs between images"
    assert tables.told(found) == [("warning", 1, "the images have different voxel sizes or noise")]
    turned = MIRP | {"image_rotation_angle": "15.0"}
    with pytest.raises(
        ManifestError, match=r"lines 2 and 3 were computed with different settings .image_rotation"
    ):
        tables.text(tmp_path, ",".join(MIRP), first, ",".join(turned.values()))


def test_examples_of_the_documentation_are_read(tmp_path: Path, tables: Tables) -> None:
    """Each file beside its command, as printed, without a problem but that of an example's gap."""
    guide = (Path(__file__).parents[3] / "docs" / "import-export.md").read_text(encoding="utf-8")
    examples = re.findall(r"```csv\n(.*?)```\s+```bash\nmvi import (.*?)\n```", guide, flags=re.DOTALL)
    found = {}
    for content, command in examples:
        file, *options = shlex.split(command)
        pairs = list(zip(options[::2], options[1::2], strict=True))
        rules = KeyRules.of(
            [value for option, value in pairs if option == "--key"],
            [value for option, value in pairs if option == "--set"],
            next((value for option, value in pairs if option == "--columns"), None),
        )
        table = tables.text(tmp_path, *content.splitlines(), rules=rules)
        found[file] = (table.settings["layout"], len(table.keys), [p.severity for p in table.problems])
    assert found == {
        "radiomics.csv": ("pyradiomics", 2, []),
        "fae.csv": ("fae", 3, ["warning"]),
        "mirp.csv": ("mirp", 2, []),
        "wide.csv": ("wide", 4, []),
        "long.csv": ("long", 2, []),
    }
