"""What ingesting costs against reading the images and writing them compressed, and no more.

    python benchmarks/ingest.py DATA [RUNS]

DATA is the folder `sts-mri-pet`: 28 patients, T1 MRI and PET, a tumour mask each. Both ways run in
turn as processes of their own; each ingest begins with an empty project and also derives rings,
digests, the catalog and statistics.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """\
schema_version: 1
phases: [MR_T1, PET]
regions: {peritumoral: {kind: ring, outer_mm: 10}}
preprocessing: none
families: {cr: {spacing_mm: [1, 1, 1], bin_count: 32, image_types: [original]}}
"""

LOOP = """\
import sys
from pathlib import Path
import SimpleITK as sitk
for path in sorted(Path(sys.argv[1]).glob("images/*/*_image.nii.gz")):
    target = Path(sys.argv[2]) / f"{path.parent.name}-{path.name}"
    sitk.WriteImage(sitk.ReadImage(str(path)), str(target), useCompression=True)
"""


def _loop(data: Path, folder: Path) -> list[str]:
    return [sys.executable, "-c", LOOP, str(data), str(folder)]


def _ingest(data: Path, folder: Path) -> list[str]:
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    mvi = str(Path(sys.executable).with_name("mvi"))
    return [mvi, "-C", str(folder), "ingest", str(data / "manifest.csv"), "--json"]


def main() -> None:
    """Print the median and range of both ways, and the ratio of each pair."""
    data = Path(sys.argv[1]).resolve()
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    ways = {"read and write": _loop, "mvi ingest": _ingest}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(runs + 1):
        for name, command in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                line = command(data, Path(folder))
                begin = time.perf_counter()
                subprocess.run(line, check=True, capture_output=True)  # noqa: S603
                # The first round warms the disk and is not counted.
                if number:
                    seconds[name].append(time.perf_counter() - begin)
    for name, times in seconds.items():
        print(f"{name:<16} {statistics.median(times):6.2f} s  ({min(times):.2f}–{max(times):.2f}, n={runs})")
    loop, ingest = seconds.values()
    ratios = [ours / theirs for ours, theirs in zip(ingest, loop, strict=True)]
    print(f"{'ratio':<16} {statistics.median(ratios):6.2f}    ({min(ratios):.2f}–{max(ratios):.2f})")


if __name__ == "__main__":
    main()
