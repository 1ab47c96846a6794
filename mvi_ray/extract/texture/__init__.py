"""Texture of a discretised VOI: the five matrices of PyRadiomics and their features, compiled."""
