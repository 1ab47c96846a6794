"""A synthetic multi-phase liver cohort, to try every command without patients' data."""
