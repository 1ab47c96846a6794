"""`mvi quality`: pictures of what was ingested, and what is worth a look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvi_ray.cli import console
from mvi_ray.cli.console import marks
from mvi_ray.cli.progress import progress
from mvi_ray.cli.state import Json, project
from mvi_ray.cli.streams import out

if TYPE_CHECKING:
    from mvi_ray.project.quality_page import QualityPage


def quality(as_json: Json = False) -> None:
    """Write quality.html: a picture of every tumour on every image, and what is worth a look.

    `mvi ingest` writes it as well. Pictures are kept, and only those of what changed are drawn again.
    """
    with progress(as_json=as_json) as show:
        page = project().quality_page(progress=show)
    if as_json:
        console.print_json(page.to_json())
        return
    written(page)
    marks(synthetic=page.synthetic, trial=False)


def written(page: QualityPage) -> None:
    """What the page warns of, and where it is."""
    from rich.table import Table
    from rich.text import Text

    from mvi_ray.report.quality.warnings import KINDS

    if page.warnings:
        table = Table(title="Worth a look", title_justify="left")
        table.add_column("what")
        for name in ("warnings", "patients"):
            table.add_column(name, justify="right")
        for kind, number in page.kinds.items():
            patients = len({w.patient_id for w in page.warnings if w.kind == kind})
            table.add_row(KINDS[kind], f"{number:,}", f"{patients:,}")
        out().print(table)
    drawn = f", {page.drawn:,} of them drawn now" if page.drawn else ""
    noun = "picture" if page.pictures == 1 else "pictures"
    out().print(Text(f"Wrote {page.path.name}: {page.pictures:,} {noun}{drawn}. Open it in a browser."))
