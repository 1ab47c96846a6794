"""Filters of PyRadiomics that its own code makes slowly: the same images, sooner."""
