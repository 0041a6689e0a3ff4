"""Which moments of a recording are stimuli: annotations, then the trigger channel, then the sidecar's times.

Nothing is detected in the waveform here. What sidecar and protocol say is collected in ``Statements``; a new way to
mark a stimulus is one more source in ``choose``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ncs.io._stimulus_notes import Statement, read_note
from ncs.io._trigger import find_codes, find_edges, is_trigger_label
from ncs.model import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ncs.io._faults import Faults
    from ncs.io._recording import ReadRequest

__all__ = [
    "Chosen",
    "Mark",
    "Noted",
    "Statements",
    "choose",
    "is_same_marker",
    "note",
    "statements_of",
    "trigger_marks",
]

_AGREEMENT_S = 1e-3
_STATUS_BITS = 0xFFFF
_MOST_SHOWN = 5


class Mark(NamedTuple):
    """Something at a moment: an annotation, an event, an edge of a trigger, a time of the sidecar.

    Parameters
    ----------
    onset
        Seconds, as decimal text.
    text
        How the file, or the sidecar, words it.
    place
        Where it stands, for an error message.
    """

    onset: str
    text: str
    place: str


class Noted(NamedTuple):
    """A mark and what it states; it is a stimulus where ``said.stimulus`` is not ``None``."""

    annotation: Any
    said: Statement

    @property
    def second(self) -> float:
        """When it is."""
        return float(self.annotation.onset)

    @property
    def is_xml(self) -> bool:
        """Whether it is a note that may describe a stimulus that something else marks."""
        return bool(self.annotation.text.lstrip().startswith("<"))

    @property
    def label(self) -> str:
        """What names the stimulus: the text, or the element of a note that stands alone."""
        return (self.said.stimulus or "") if self.is_xml else str(self.annotation.text)


class Chosen(NamedTuple):
    """Everything noted, with the stimuli among it, and where these come from (``UNSET``: there are none)."""

    noted: list[Noted]
    origin: Origin


class Statements(NamedTuple):
    """What sidecar and protocol say about stimuli.

    Parameters
    ----------
    markers
        The texts that are stimuli, and no others; ``None`` where nothing restricts.
    known
        Further texts that are stimuli.
    times
        Seconds after the first sample, with the name of each stimulus.
    states_in_sweep
        Whether the sidecar states the stimulus within the sweep, so that none has to be looked for.
    insists
        Whether it is the sidecar of this very file that names the markers.
    """

    markers: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    times: tuple[tuple[float, str], ...] = ()
    trigger_channel: str | None = None
    threshold: float | None = None
    edge: str | None = None
    use: str | None = None
    states_in_sweep: bool = False
    insists: bool = False
    sidecar: str = ""
    """Name of the sidecar that could say more."""

    def is_stimulus(self, text: str) -> bool | None:
        """Return whether a text is a stimulus; ``None`` where nobody says and its wording decides."""
        if self.markers is not None:
            return any(is_same_marker(marker, text) for marker in self.markers)
        return True if any(is_same_marker(marker, text) for marker in self.known) else None

    def is_trigger(self, label: str) -> bool:
        """Return whether a channel is the trigger channel that is named, or where none is, can be nothing else."""
        if self.trigger_channel is not None:
            return label.strip().casefold() == self.trigger_channel.casefold()
        return is_trigger_label(label)


NOTHING_SAID = Statements()


def is_same_marker(stated: str, text: str) -> bool:
    """Return whether a stated marker is the one of the file: spaces, capitals and the marker's class do not count.

    Examples
    --------
    >>> is_same_marker("S  1", "Stimulus/S  1"), is_same_marker("S 1", "s  1"), is_same_marker("S 1", "S 11")
    (True, True, False)
    """
    wanted, found = (" ".join(words.split()).casefold() for words in (stated, text))
    return wanted == found or wanted == found.partition("/")[2].strip()


def statements_of(request: ReadRequest) -> Statements:
    """Return what the sidecar says about stimuli, and the protocol where the sidecar says nothing."""
    sidecar, protocol = request.sidecar, request.protocol
    could_say_more = f"{request.path.stem}.ncs.json"
    if sidecar is None and protocol is None:
        return Statements(sidecar=could_say_more)
    stated: list[Any] = [settings.stimuli for settings in (sidecar, protocol) if settings is not None]
    entries = [stimuli for stimuli in stated if stimuli is not None]
    values: dict[str, Any] = {}
    for name in ("trigger_channel", "threshold", "edge", "use"):
        values[name] = next((v for e in entries if (v := getattr(e, name, None)) is not None), None)
    markers = next((e.markers for e in entries if e.markers is not None), None)
    if markers is not None:
        values["markers"] = tuple(markers)
    if protocol is not None:
        tables = [protocol.stimulus_labels, *(study.stimulus_labels for study in protocol.studies)]
        values["known"] = tuple(dict.fromkeys(text for table in tables for text in table))
    if sidecar is not None:
        values["times"] = _times(sidecar.stimuli)
        described: list[Any] = [e for study in sidecar.study_entries() for e in (study, *(study.traces or ()))]
        values["insists"] = sidecar.stimuli is not None and sidecar.stimuli.markers is not None
        values["states_in_sweep"] = any(e.stimulus_ms is not None for e in described)
    return Statements(**values, sidecar=could_say_more)


def _times(stimuli: Any) -> tuple[tuple[float, str], ...]:
    if stimuli is None:
        return ()
    stated, factor = (stimuli.times_s, 1.0) if stimuli.times_s is not None else (stimuli.times_ms, 1e-3)
    times = [(time * factor, site) for site, numbers in (stated or {}).items() for time in numbers]
    return tuple(sorted(times))


def note(annotations: Sequence[Any], statements: Statements = NOTHING_SAID) -> list[Noted]:
    """Return what annotations state, with those that are stimuli marked as sidecar and protocol want them."""
    if statements.markers is None and not statements.known:
        return [Noted(annotation, read_note(annotation.text)) for annotation in annotations]
    noted = []
    for annotation in annotations:
        said = read_note(annotation.text)
        wanted = statements.is_stimulus(annotation.text)
        if wanted and said.stimulus is None:
            notes = tuple(line for line in said.notes if line != annotation.text)
            said = said._replace(stimulus=annotation.text, notes=notes)
        elif wanted is False and said.stimulus is not None:
            said = said._replace(stimulus=None)
        noted.append(Noted(annotation, said))
    return noted


def choose(
    annotations: Sequence[Any],
    trigger: Callable[[], Sequence[Mark]] | None,
    statements: Statements,
    faults: Faults,
    *,
    start: str = "0",
) -> Chosen:
    """Return the stimuli of a continuous recording, from the first source that has any.

    Parameters
    ----------
    annotations
        Of the file, in any order; each has ``onset``, ``text`` and ``place``.
    trigger
        Gives the marks of the trigger channel; ``None`` where there is no such channel.
    statements
        What sidecar and protocol say. Times of the sidecar that contradict what the file marks are a fatal fault,
        unless the sidecar says which of the two to use.
    start
        Onset of the first sample on the time axis of the annotations.
    """
    noted = note(annotations, statements)
    marked = [one for one in noted if one.said.stimulus is not None]
    if marked and statements.use in {None, "annotations"}:
        _check_times([one.second for one in marked], statements, faults, start=float(start))
        return Chosen(noted, Origin.FILE)
    if trigger is not None and statements.use in {None, "trigger"}:
        marks = trigger()
        if marks:
            _check_times([float(mark.onset) for mark in marks], statements, faults, start=float(start))
            return Chosen([*_unmarked(noted), *_as_stimuli(marks)], Origin.FILE)
    if statements.times and statements.use in {None, "times"}:
        marks = [
            Mark(repr(float(start) + second), site, f"time {number} of the sidecar")
            for number, (second, site) in enumerate(statements.times, start=1)
        ]
        return Chosen([*_unmarked(noted), *_as_stimuli(marks)], Origin.SIDECAR)
    if statements.use is not None:
        found = (
            "no annotation that names a stimulus" if statements.use == "annotations" else "no usable trigger channel"
        )
        faults.add("", "stimuli.use", f"what the sidecar wants to be used ({statements.use})", found)
    elif statements.insists:
        wanted = " or ".join(map(repr, statements.markers or ()))
        faults.add("", "stimuli.markers", f"{wanted} (the sidecar)", _shown(noted) or "no annotation with a text")
    elif not statements.states_in_sweep:
        _report_none(noted, statements, faults)
    return Chosen(noted, Origin.UNSET)


def _as_stimuli(marks: Sequence[Mark]) -> list[Noted]:
    return [Noted(mark, Statement(stimulus=mark.text)) for mark in marks]


def _unmarked(noted: Sequence[Noted]) -> list[Noted]:
    return [Noted(one.annotation, one.said._replace(stimulus=None)) for one in noted]


def _check_times(found: Sequence[float], statements: Statements, faults: Faults, *, start: float) -> None:
    if not statements.times or statements.use is not None:
        return
    stated = [second + start for second, _ in statements.times]
    apart = [abs(a - b) for a, b in zip(sorted(found), stated, strict=False)]
    if len(found) == len(stated) and max(apart) <= _AGREEMENT_S:
        return
    what = f"{len(stated)} stimuli (the sidecar)"
    here = f"{len(found)} (the file)"
    if len(found) == len(stated):
        here = f"as many at other times (the file), up to {max(apart) * 1000:.3g} ms apart"
    faults.add("", "stimuli.times_s", what, here, 'Remove the times, or say which to use with "use" in `stimuli`')


def _shown(noted: Sequence[Noted]) -> str:
    """Return the different texts of some annotations, in the order of the file."""
    texts = [str(one.annotation.text).strip() for one in noted]
    different = list(dict.fromkeys(text for text in texts if text))
    more = ", …" if len(different) > _MOST_SHOWN else ""
    return ", ".join(repr(text[:40]) for text in different[:_MOST_SHOWN]) + more


def _report_none(noted: Sequence[Noted], statements: Statements, faults: Faults) -> None:
    found = "none"
    markers = ""
    if shown := _shown(noted):
        found = f"none among the {len(noted)} annotations ({shown})"
        markers = '"markers": [<text of the annotation>], '
    hint = (
        f'say in the sidecar ({statements.sidecar}) where the stimuli are: "stimuli": {{{markers}'
        '"trigger_channel": <label>} or {"times_s": [<seconds>]}; or have the artefact searched '
        "(ncs analyze --find-stimulus)"
    )
    faults.note("", "stimulus", "an annotation, a trigger channel or a sidecar that tells the stimuli", found, hint)


def trigger_marks(
    label: str,
    values: NDArray[Any],
    rate_hz: float,
    statements: Statements,
    faults: Faults,
    *,
    start_s: float = 0.0,
    is_coded: bool = False,
) -> list[Mark]:
    """Return the stimuli of a trigger channel; why it has none is noted.

    Parameters
    ----------
    label
        Of the channel.
    values
        Shape ``(n_samples,)``, in the channel's own unit; of a code channel, the codes.
    rate_hz
        Its sampling rate.
    statements
        What sidecar and protocol say.
    start_s
        Time of its first sample.
    is_coded
        Whether its values are codes: then the sidecar has to name the channel or the codes.
    """
    if is_coded:
        return _code_marks(label, values, rate_hz, statements, faults, start_s=start_s)
    edges = find_edges(np.asarray(values, np.float64), threshold=statements.threshold, edge=statements.edge)
    if edges.fault:
        expected = "a trigger channel with pulses"
        hint = 'State "threshold" and "edge" in `stimuli` of the sidecar'
        faults.note(f"channel {label}", "trigger", expected, edges.fault, hint)
        return []
    seconds = edges.positions / rate_hz + start_s
    return [
        Mark(repr(float(second)), "", f"pulse {number} of channel {label}")
        for number, second in enumerate(seconds, start=1)
    ]


def _code_marks(
    label: str, values: NDArray[Any], rate_hz: float, statements: Statements, faults: Faults, *, start_s: float
) -> list[Mark]:
    codes = find_codes(np.asarray(values, np.int64) & _STATUS_BITS)
    wanted = [(at, code) for at, code in codes if statements.is_stimulus(str(code)) is not False]
    if statements.markers is None and statements.trigger_channel is None:
        named = [(at, code) for at, code in codes if statements.is_stimulus(str(code))]
        wanted = named
    if codes and not wanted:
        present = sorted({code for _, code in codes})
        shown = ", ".join(map(str, present[:_MOST_SHOWN])) + (", …" if len(present) > _MOST_SHOWN else "")
        hint = f'Name those that are stimuli: "stimuli": {{"markers": ["{present[0]}"]}} in {statements.sidecar}'
        faults.note(f"channel {label}", "trigger codes", "to be told which codes are stimuli", f"codes {shown}", hint)
    return [
        Mark(repr(float(at / rate_hz + start_s)), str(code), f"code {code} of channel {label}") for at, code in wanted
    ]
