"""From a tree of files, or of DICOM series, to rows of a manifest that a person checks."""
