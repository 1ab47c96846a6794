"""From the text of a study file to a study, or to every fault that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_origin

from pydantic import BaseModel, ValidationError

from mvi_ray.errors import StudyError
from mvi_ray.study.settings import FILE_NAME, suggest
from mvi_ray.study.study import Study

if TYPE_CHECKING:
    from pathlib import Path


def _fields_at(loc: tuple[int | str, ...]) -> list[str]:
    """Names that could stand at a place of the study file; empty where any name may."""
    here: Any = Study
    annotation: Any = Study
    of_mapping = False
    for part in loc:
        if of_mapping:
            # A name of the user's own, as in regions.NAME; its value type is entered already.
            of_mapping = False
            continue
        if isinstance(part, int):
            continue
        is_model = isinstance(here, type) and issubclass(here, BaseModel)
        fields = here.model_fields.items() if is_model else ()
        field = next((f for n, f in fields if part in (n, f.alias)), None)
        if field is None and _is_branch(part):
            here = _model_of(annotation, str(part).strip("()")) or here
            continue
        if field is None:
            return []
        annotation = field.annotation
        of_mapping = get_origin(annotation) is dict
        here = _model_of(annotation)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [f.alias or n for n, f in here.model_fields.items()]
    return []


def _model_of(annotation: Any, name: str | None = None) -> Any:
    """The first model within a type, or the one of this name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation if name in (None, annotation.__name__) else None
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner, name)
        if found is not None:
            return found
    return None


def _is_branch(part: int | str) -> bool:
    """Whether pydantic, not the user, put this part into a place: a branch of a union."""
    return isinstance(part, str) and (part == "[key]" or part.startswith(("constrained-", "dict[", "(")))


def _other_branch(item: Any) -> bool:
    """Whether a fault belongs to the branch of `number | mapping` that was not meant."""
    last, given_mapping = str(item["loc"][-1:]), isinstance(item["input"], dict)
    return ("constrained-" in last and given_mapping) or ("'dict[" in last and not given_mapping)


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_url=False):
        loc = item["loc"]
        unknown = item["type"] == "extra_forbidden"
        if not unknown and _other_branch(item):
            continue
        # An unknown key is the user's, whatever it looks like.
        where = ".".join(
            str(part)
            for at, part in enumerate(loc, start=1)
            if not _is_branch(part) or (unknown and at == len(loc))
        )
        if unknown:
            known = _fields_at(loc[:-1])
            hint = suggest(str(loc[-1]), known)
            lines.append(f"{where}: unknown key{hint}; known: {', '.join(known)}")
        elif item["type"] == "missing":
            lines.append(f"{where}: is required")
        else:
            text = item["msg"].removeprefix("Value error, ")
            found = item["input"].get("kind") if item["type"] == "region_kind" else item["input"]
            got = "" if isinstance(found, dict | Study) else f" (got {found!r})"
            lines.append(f"{where + ': ' if where else ''}{text}{got}")
    return "\n".join(f"  {line}" for line in lines)


def parse_study(text: str, origin: str = FILE_NAME) -> Study:
    """Read a study from YAML 1.2 text.

    Raises:
        StudyError: the text is not YAML, or a key or value is not valid; every fault is listed.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        # The rest is advice on how to switch the check off.
        text = str(error).partition("\n\nTo suppress")[0]
        msg = f"{origin} is not valid YAML: {text}"
        raise StudyError(msg) from None
    if not isinstance(content, dict):
        msg = f"{origin} is empty or no mapping; `mvi init` writes a commented one"
        raise StudyError(msg)
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        msg = f"{origin} is not a valid study:\n{_explain(error)}"
        raise StudyError(msg) from None


def load_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        StudyError: it is missing, unreadable or not valid.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        msg = f"{path.name} does not exist; check the folder, or write one with `mvi init`"
        raise StudyError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path.name} is not UTF-8 text; save it as UTF-8"
        raise StudyError(msg) from None
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}; check its permissions"
        raise StudyError(msg) from None
    return parse_study(text, path.name)
