"""Exceptions of the project: what happened, in which case, and the way out.

Every class takes one message, so that it survives pickling between processes
unchanged; a multi-argument constructor would break on the far side.
"""

from __future__ import annotations


class MviError(Exception):
    """Base of every error that a user can do something about.

    The message names the value found and, after the last semicolon, the way out; who
    raises it for a case (for example ``P07 AP``) puts that in front. It never holds a
    path of a patient's file or a DICOM header: both may carry names.
    """

    @property
    def message(self) -> str:
        """The whole text."""
        return str(self.args[0]) if self.args else ""

    @property
    def reason(self) -> str:
        """What is wrong: the text before the last semicolon."""
        before, found, after = self.message.rpartition("; ")
        return before if found else after

    @property
    def way_out(self) -> str:
        """What to do: the text after the last semicolon, empty when there is none."""
        _, found, after = self.message.rpartition("; ")
        return after if found else ""


class UsageError(MviError):
    """A command was called with arguments that do not fit together (exit code 2)."""


class StudyError(MviError):
    """The study file is missing, unreadable or not valid."""


class ManifestError(MviError):
    """The manifest or the clinical table cannot be read as a whole."""


class MissingTableError(ManifestError, UsageError):
    """There is no file where a manifest or another table was named: wrong usage, as a missing folder is."""


class CaseError(MviError):
    """One case (image, mask) cannot be used; its siblings can."""


class GeometryError(CaseError):
    """A geometry is not valid, or image and mask lie on different grids."""


class MaskError(CaseError):
    """A mask is empty, too small, or does not hold the label asked for."""


class ExtractionError(CaseError):
    """Features of one VOI could not be computed."""


class FeatureCountError(ExtractionError):
    """The engine returned another number of features than its settings define."""


class WeightsError(MviError):
    """The weights of the network are missing or are not the expected file."""


class StoreError(MviError):
    """The store is missing, damaged, of another version, or in use."""


class UnreachableError(StoreError):
    """The place of the store is out of reach or refuses; what it holds is not known."""


class StoreBusyError(StoreError):
    """Another command writes to the store."""


class QueryError(MviError):
    """A SQL text is not one that may run here."""


class MatrixError(MviError):
    """A model matrix cannot be assembled from what the store holds."""


class ModelError(MviError):
    """A model cannot be fitted, evaluated, saved or loaded."""


class ClusterError(MviError):
    """Ray could not be started or reached, or was lost."""
