"""PET activity to standardised uptake value by body weight."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mvi_ray.errors import CaseError
from mvi_ray.ingest.dicom.elements import Elements, load

if TYPE_CHECKING:
    from mvi_ray.ingest.dicom.parts import Part

_DAY = 86400.0
_LONGEST_WAIT_S = 86400.0
_TAGS = (
    *(0x00080021, 0x00080022, 0x00080031, 0x00080032, 0x0008002A, 0x00101030),
    *(0x00280051, 0x00541001, 0x00541006, 0x00541102, 0x00540016, 0x52009229),
)
_WAY_OUT = "set dicom.suv to false, or export SUV images"


def suv_factor(part: Part) -> float:
    """What values of a PET series are multiplied by to become SUVbw in g/ml.

    Follows the vendor-neutral calculation of the Quantitative Imaging Biomarkers Alliance (QIBA
    FDG-PET/CT Profile, "SUV vendor-neutral pseudo-code"): body weight in g over the injected dose
    in Bq, decayed to the time that the images are corrected to. DecayCorrection START means the
    begin of the scan, taken from the series time, which must not be later than any acquisition
    time; ADMIN means the injection. Units of GML are SUV already.

    Args:
        part: of a PET series.

    Raises:
        CaseError: the units are others, corrections are missing, or a value is not in the header.
    """
    header = load(part.instances[0].path, _TAGS)
    units = header.word(0x00541001)
    if units == "GML":
        kind = header.word(0x00541006) or "BW"
        if kind != "BW":
            raise CaseError(f"PET values are SUV by another measure than body weight; {_WAY_OUT}")
        return 1.0
    if units != "BQML":
        raise CaseError(f"PET values are neither activity (BQML) nor SUV (GML); {_WAY_OUT}")
    corrected = header.words(0x00280051)
    if "ATTN" not in corrected or not {"DECY", "DECAY"} & set(corrected):
        raise CaseError(f"PET values are not corrected for attenuation and decay; {_WAY_OUT}")
    dose_of = header.item(0x00540016) or Elements({})
    dose, half_life = dose_of.number(0x00181074), dose_of.number(0x00181075)
    weight = header.number(0x00101030)
    missing = [
        name
        for name, value in (("weight", weight), ("dose", dose), ("half-life", half_life))
        if value is None or value <= 0
    ]
    if missing or weight is None or dose is None or half_life is None:
        raise CaseError(f"SUV takes the {', '.join(missing)}, which the header does not give; {_WAY_OUT}")
    wait = _wait(part, header, dose_of)
    return weight * 1000.0 / (dose * math.exp2(-wait / half_life))


def _wait(part: Part, header: Elements, dose_of: Elements) -> float:
    """Seconds from the injection to the time that decay is corrected to."""
    correction = header.word(0x00541102)
    if correction == "ADMIN":
        return 0.0
    if correction != "START":
        raise CaseError(f"PET values are not corrected for decay to a known time; {_WAY_OUT}")
    scan = header.instant(0, 0x00080021, 0x00080031)
    injected = dose_of.instant(0x00181078, 0, 0x00181072)
    if scan is None or injected is None:
        raise CaseError(
            f"SUV takes the times of injection and series, which the header does not give; {_WAY_OUT}"
        )
    acquired = [i.timing.acquisition_time for i in part.instances if i.timing.acquisition_time is not None]
    if not acquired or scan > min(acquired):
        raise CaseError(f"the series time is no time of the scan, so decay is not known; {_WAY_OUT}")
    if injected < _DAY <= scan:
        # Often only the time of day is given; the scan follows the injection, if need be past midnight.
        injected += scan // _DAY * _DAY
        injected -= _DAY if injected > scan else 0.0
    if not 0.0 <= scan - injected <= _LONGEST_WAIT_S:
        raise CaseError(f"the injection is not on the day before the scan; {_WAY_OUT}")
    return scan - injected
