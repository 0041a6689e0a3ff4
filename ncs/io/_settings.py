"""What sidecar and protocol files share: strict models, problems in words, a hash of their content.

Imported only when such a file is read, because pydantic is not light. A new settings file gets a model of its own
elsewhere; here only the rules that hold for all of them may be changed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from ncs.errors import FileAccessError, InvalidInputError, Problem, SidecarError
from ncs.io._sites import split_side

__all__ = [
    "DirectionText",
    "LowerText",
    "SettingsModel",
    "SideText",
    "SiteText",
    "TechniqueText",
    "Text",
    "content_sha256",
    "path_text",
    "read_settings_bytes",
    "site_text",
    "validate",
    "whole_number",
]

_SHOWN_CHARACTERS = 60

Model = TypeVar("Model", bound="SettingsModel")


class SettingsModel(BaseModel):
    """Base of every settings model: unknown keys are mistakes, numbers are numbers, nothing changes afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


def _stripped(text: str) -> str:
    stripped = text.strip()
    if not stripped:
        raise ValueError("text that is not empty")
    return stripped


def site_text(text: str) -> str:
    """Return a site in the form in which sites are compared.

    Raises
    ------
    ValueError
        When it names a side, or nothing.
    """
    side, rest = split_side(text)
    if side is not None:
        raise ValueError(f"a site without the side, such as {rest.lower() or 'wrist'!r}; the side belongs in `side`")
    return _stripped(rest).lower()


def _lowered(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def whole_number(value: object) -> object:
    """Return the value, unless it is a truth value or a fraction that Python would take for a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("a whole number")  # noqa: TRY004  # pydantic reports a ValueError and passes a TypeError on
    return value


Text = Annotated[str, AfterValidator(_stripped)]
LowerText = Annotated[str, AfterValidator(_stripped), AfterValidator(str.lower)]
SiteText = Annotated[str, AfterValidator(site_text)]
SideText = Annotated[Literal["left", "right"], BeforeValidator(_lowered)]
DirectionText = Annotated[Literal["antidromic", "orthodromic"], BeforeValidator(_lowered)]
TechniqueText = Annotated[
    Literal[
        "motor", "sensory", "mixed", "f_wave", "h_reflex", "repetitive_stimulation", "blink_reflex", "inching",
        "cmap_scan",
    ],
    BeforeValidator(_lowered),
]  # fmt: skip


def path_text(source: object, what: str) -> str:
    """Return a path as text.

    Raises
    ------
    InvalidInputError
        When it is no path.
    """
    if not isinstance(source, (str, os.PathLike)):
        expected = f"a path, a mapping or a {what.capitalize()}"
        raise InvalidInputError(f"{what}: expected {expected}, found {type(source).__name__}")
    return str(os.fspath(source))


def read_settings_bytes(path: str | os.PathLike[str], what: str) -> bytes:
    """Return the bytes of a settings file.

    Raises
    ------
    FileAccessError
        When it cannot be opened.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problem = Problem(file=os.fspath(path), place="", field=what, expected="a readable file", found=reason.lower())
        raise FileAccessError([problem]) from error


def validate(model: type[Model], content: object, *, file: str, version_key: str, version: int) -> Model:
    """Return the checked model.

    Raises
    ------
    SidecarError
        With every mistake at once; with one sentence where the file is of a newer version.
    """
    if not isinstance(content, Mapping):
        raise SidecarError([_problem(file, "$", "", "an object with named fields", _shown(content))])
    stated = content.get(version_key)
    if isinstance(stated, int) and not isinstance(stated, bool) and stated > version:
        hint = "It was written for a newer ncs: update ncs, or write the file for this version."
        raise SidecarError([_problem(file, f"$.{version_key}", version_key, f"version {version}", str(stated), hint)])
    try:
        return model.model_validate(dict(content))
    except ValidationError as error:
        names = _field_names(model)
        raise SidecarError(_merged(_explained(detail, file, names) for detail in error.errors())) from None


def content_sha256(model: SettingsModel) -> str:
    """Return the SHA-256 of what the settings say; spelling (order, spaces, ``80`` or ``80.0``) does not count."""
    dump = model.model_dump(mode="json", exclude_unset=True, by_alias=True)
    return hashlib.sha256(json.dumps(dump, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")).hexdigest()


def _problem(file: str, place: str, field: str, expected: str, found: str, hint: str = "") -> Problem:
    return Problem(file=file, place=place, field=field, expected=expected, found=found, hint=hint)


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    text = "null" if value is None else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _place(location: Iterable[int | str]) -> str:
    place = "$"
    for part in location:
        if isinstance(part, int):
            place += f"[{part}]"
        elif re.fullmatch(r"\$?\w+", part):
            place += f".{part}"
        else:
            place += f"[{part!r}]"
    return place


def _explained(detail: Any, file: str, names: frozenset[str]) -> Problem:
    location = detail["loc"]
    field = next((part for part in reversed(location) if isinstance(part, str)), "")
    kind, found, hint = detail["type"], _shown(detail["input"]), ""
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(field, sorted(names), n=1)
        hint = f"Did you mean `{close[0]}`?" if close else "Remove it."
        expected, found = "only known fields", f"`{field}`"
    elif kind == "missing":
        expected, found = "a value", "nothing"
    else:
        expected = _expectation(detail["msg"])
        if kind == "value_error" and isinstance(detail["input"], Mapping):
            found = "something else"
    return _problem(file, _place(location), field, expected, found, hint)


_BOUNDS = {
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "a number above",
    "less than": "a number below",
}


def _expectation(message: str) -> str:
    text = re.sub(r"^(Value error, |Assertion failed, |Input should be )", "", message)
    for words, shorter in _BOUNDS.items():
        if text.startswith(words):
            return text.replace(words, shorter, 1)
    return text[:1].lower() + text[1:]


def _merged(problems: Iterable[Problem]) -> list[Problem]:
    """Drop repetitions: one mistake may break several rules of one field in the same words."""
    return list(dict.fromkeys(problems))


def _field_names(model: type[BaseModel]) -> frozenset[str]:
    names: set[str] = set()
    _collect(model, names.update, set())
    return frozenset(names)


def _collect(model: type[BaseModel], take: Callable[[Iterable[str]], None], seen: set[type[BaseModel]]) -> None:
    if model in seen:
        return
    seen.add(model)
    take(model.model_fields)
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            _collect(inner, take, seen)


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
