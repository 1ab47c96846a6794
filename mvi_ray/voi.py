"""What identifies a volume of interest, in the store and everywhere else."""

from __future__ import annotations

VOI_KEY = ("patient_id", "session", "phase", "lesion", "region", "reader")
"""Names of the parts of a VOI's key, in their order; the first three are those of its image."""
