"""Write the published schemas from the code; with --check, only say whether they are current."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mvi_ray.ingest.manifest import ManifestRow
from mvi_ray.store.schemas import TABLES
from mvi_ray.study import Study

FOLDER = Path(__file__).resolve().parent


def documents() -> dict[str, object]:
    """File name to content."""
    return {
        "study.schema.json": Study.model_json_schema(),
        "manifest.schema.json": ManifestRow.model_json_schema(),
        **{f"tables/{name}.json": spec.to_json() for name, spec in TABLES.items()},
    }


def main() -> int:
    """Write, or compare."""
    check = "--check" in sys.argv[1:]
    wanted = {
        FOLDER / name: json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        for name, content in documents().items()
    }
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    unknown = [path for path in FOLDER.rglob("*.json") if path not in wanted]
    if check:
        for path in (*stale, *unknown):
            print(f"not current: {path.relative_to(FOLDER.parent)}; run `make schemas`")
        return 1 if stale or unknown else 0
    for path in unknown:
        path.unlink()
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], "utf-8")
        print(f"wrote {path.relative_to(FOLDER.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
