"""The ingest quality page: what was stored, as pictures with outlines, figures and warnings."""
