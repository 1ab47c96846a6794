"""Surroundings of an engine: quiet, undisturbed, and with errors that tell a way out."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mvi_ray.errors import ExtractionError, MviError

if TYPE_CHECKING:
    from collections.abc import Iterator

_OUT_OF_MEMORY = (
    "memory ran out inside {}; raise `bin_width` (fewer grey levels) or give each worker more memory"
)


class Message(NamedTuple):
    """A warning or an error that a module of the engine logged."""

    module: str
    text: str


class _Messages(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept: list[Message] = []

    def emit(self, record: logging.LogRecord) -> None:
        module = record.name.rpartition(".")[2]
        self.kept.append(Message(module, " ".join(record.getMessage().split())))


@contextmanager
def engine_conditions(engine: str = "PyRadiomics") -> Iterator[list[Message]]:
    """Surroundings in which an engine does what it does alone, and leaves no trace; its errors become ours.

    Yields what PyRadiomics warned of. Warnings made errors, or NumPy's floating-point errors made
    exceptions, would turn values into NaN or drop features. PyRadiomics writes to stderr through a
    handler of its own and sets ITK's tolerances for the whole process; both are as before afterwards.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        import radiomics
        import SimpleITK as sitk

        logger = logging.getLogger(radiomics.__name__)
        before = list(logger.handlers), logger.level, logger.propagate
        process = sitk.ProcessObject
        coordinate = process.GetGlobalDefaultCoordinateTolerance()
        direction = process.GetGlobalDefaultDirectionTolerance()
        messages = _Messages()
        logger.handlers = [messages]
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        try:
            yield messages.kept
        except (MviError, ImportError):
            raise
        except MemoryError as error:
            # The cause stays: who computes again with more memory tells it by that.
            raise ExtractionError(_OUT_OF_MEMORY.format(engine)) from error
        except Exception as error:
            text = " ".join(str(error).split()) or type(error).__name__
            msg = f"{engine} stopped: {text}; check the image and the mask of this VOI"
            raise ExtractionError(msg) from error
        finally:
            logger.handlers, level, logger.propagate = before
            logger.setLevel(level)
            process.SetGlobalDefaultCoordinateTolerance(coordinate)
            process.SetGlobalDefaultDirectionTolerance(direction)
    # The engine turns any exception of a single feature into NaN, even one that a larger
    # machine would not have seen.
    if any("MemoryError" in message.text for message in messages.kept):
        raise ExtractionError(_OUT_OF_MEMORY.format(engine)) from MemoryError("within one feature")
