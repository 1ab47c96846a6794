"""Tables of features that others have computed: PyRadiomics, FAE, MIRP, and plain ones."""

from mvi_ray.ingest.features.layouts import LAYOUTS
from mvi_ray.ingest.features.rules import KEY, KeyRule, KeyRules
from mvi_ray.ingest.features.table import FeatureTable, read_feature_table

__all__ = ["KEY", "LAYOUTS", "FeatureTable", "KeyRule", "KeyRules", "read_feature_table"]
