"""Clinical tables of one or several hospitals: what the study declares, and nothing else."""

from mvi_ray.ingest.clinical.table import ClinicalTable, ClinicalValue, read_clinical

__all__ = ["ClinicalTable", "ClinicalValue", "read_clinical"]
