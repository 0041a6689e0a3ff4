"""Who was examined and when: the identification fields of an EDF header.

The only place that sees names and dates of birth; they leave it only on request, and never in a message.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from ncs.io._remembered import remembered
from ncs.model import Subject

if TYPE_CHECKING:
    from ncs.io._edf_header import Header
    from ncs.io._faults import Faults

__all__ = ["decode_date", "decode_subject", "format_date", "study_words_of"]

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LONG_DATE = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4})\Z")
_SHORT_DATE = re.compile(r"(\d\d)\.(\d\d)\.(\d\d)\Z")
_CLIPPING_YEAR = 85
_NO_DATE = "01.01.85"
_RECORDING_SUBFIELDS = 5


@remembered
def parse_long_date(text: str) -> dt.date | None:
    """Return the date of ``dd-MMM-yyyy``, or ``None``.

    Examples
    --------
    >>> parse_long_date("02-MAY-1951"), parse_long_date("X")
    (datetime.date(1951, 5, 2), None)
    """
    match = _LONG_DATE.match(text)
    if match is None or match[2].upper() not in _MONTHS:
        return None
    return _date(int(match[3]), _MONTHS.index(match[2].upper()) + 1, int(match[1]))


@remembered
def parse_short_date(text: str) -> dt.date | None:
    """Return the date of ``dd.mm.yy``, where 85 to 99 are 1985 to 1999, or ``None``.

    Examples
    --------
    >>> parse_short_date("17.04.01"), parse_short_date("31.12.85")
    (datetime.date(2001, 4, 17), datetime.date(1985, 12, 31))
    """
    match = _SHORT_DATE.match(text)
    if match is None:
        return None
    year = int(match[3])
    return _date(year + (1900 if year >= _CLIPPING_YEAR else 2000), int(match[2]), int(match[1]))


def _date(year: int, month: int, day: int) -> dt.date | None:
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def format_date(date: dt.date) -> str:
    """Return ``dd-MMM-yyyy``, in English whatever the locale."""
    return f"{date.day:02d}-{_MONTHS[date.month - 1]}-{date.year:04d}"


def decode_subject(header: Header, faults: Faults, *, keep_identifiers: bool) -> Subject:
    """Decode the patient identification field.

    Without the EDF+ subfields the field is free text, most often a name: then there is no subject id, and the text is
    kept, as the name, only on request.
    """
    text = header.patient
    parts = text.split()
    birth = parse_long_date(parts[2]) if len(parts) > 2 else None
    is_structured = len(parts) > 2 and parts[1] in {"F", "M", "X"} and (birth is not None or parts[2] == "X")
    if not is_structured and header.continuity and text:
        is_structured = len(parts) == 1 or (len(parts) == 2 and parts[1] in {"F", "M", "X"})
    if not is_structured:
        if text:
            faults.note("byte 8", "patient identification", "code, sex, birth date and name",
                        f"{len(parts)} words of another form", "state the subject in the sidecar")  # fmt: skip
        return Subject(name=text if keep_identifiers and text else None)
    sex = parts[1] if len(parts) > 1 and parts[1] != "X" else None
    name = None
    if keep_identifiers and len(parts) > 3 and parts[3] != "X":
        name = " ".join(parts[3:]).replace("_", " ")
    return Subject(
        id=None if parts[0] == "X" else parts[0], sex=sex, name=name, birth_date=birth if keep_identifiers else None
    )


def decode_date(header: Header, faults: Faults) -> dt.date | None:
    """Decode the day of the recording: the ``Startdate`` of the recording field, else the start date field.

    ``Startdate X`` together with 01.01.85 is how a removed date is written; it gives ``None``.
    """
    short = parse_short_date(header.start_date)
    parts = header.recording.split(maxsplit=2)
    stated = parts[1] if len(parts) > 1 and parts[0].lower() == "startdate" else ""
    long = parse_long_date(stated)
    if stated and stated != "X" and long is None:
        faults.note("byte 88", "Startdate", "dd-MMM-yyyy or X", ascii(stated[:20]))
    if short is None and header.start_date[6:] != "yy":
        faults.note("byte 168", "start date", "dd.mm.yy", ascii(header.start_date))
    if long is None:
        return None if stated == "X" and header.start_date == _NO_DATE else short
    if short is not None and (short.day, short.month, short.year % 100) != (long.day, long.month, long.year % 100):
        faults.note("byte 168", "start date", f"the Startdate of the recording field, {format_date(long)}",
                    header.start_date, "the Startdate was used")  # fmt: skip
    return long


def study_words_of(header: Header) -> tuple[str, bool]:
    """Return the part of the recording field that may describe the study, and whether it is an EDF+ field.

    An EDF+ field begins with Startdate, date, investigation code, technician and equipment; what follows is free.
    """
    parts = header.recording.split()
    if parts and parts[0].lower() == "startdate":
        return " ".join(parts[_RECORDING_SUBFIELDS:]), True
    return header.recording, False
