"""Run by `make wheel` on the installed package: its files are there and its first command works."""

from __future__ import annotations

import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import mvi_ray
from mvi_ray import Project
from mvi_ray.demo.cohort import study_text
from mvi_ray.study import parse_study

NEEDED = (
    ("mvi_ray", "py.typed"),
    ("mvi_ray.store", "sql/views.sql"),
    ("mvi_ray.store", "sql/missing.sql"),
    ("mvi_ray.store", "sql/statistics.sql"),
    ("mvi_ray.store", "dictionary.csv"),
    ("mvi_ray.matrix", "sql/cr.sql"),
    ("mvi_ray.report", "templates/page.html"),
    ("mvi_ray.project", "template.yaml"),
    ("mvi_ray.project", "sql/coverage.sql"),
)


def main() -> None:
    """Raise when something is missing."""
    place = Path(mvi_ray.__file__).resolve()
    if "build" not in place.parts:
        sys.exit(f"the checkout was imported, not the built package: {place}")
    for package, name in NEEDED:
        if not files(package).joinpath(name).is_file():
            sys.exit(f"{name} is not in the built package {package}")
    parse_study(study_text())
    with tempfile.TemporaryDirectory() as folder:
        Project.init(folder).study  # noqa: B018 - reading it is the check
    sys.stdout.write(f"built package {mvi_ray.__version__}: complete\n")


if __name__ == "__main__":
    main()
