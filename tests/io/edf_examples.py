"""Byte-exact EDF and BDF files for tests: a general builder, and the worked examples of the EDF+ specification.

``spec_37``, ``mncv`` and ``sncv`` have the headers of the specification's section 3.7 and of the two nerve conduction
files published with it; their waveforms are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncs.io._recording import ReadRequest
from ncs.io.edf import EDF

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ncs.model import Visit

__all__ = [
    "Channel",
    "annotation_bytes",
    "annotation_channel",
    "build",
    "mncv",
    "motor",
    "quantise",
    "read",
    "sncv",
    "spec_37",
    "tal",
]


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One signal header; ``samples`` in each record."""

    label: str = "R APB"
    transducer: str = ""
    unit: str = "mV"
    physical: tuple[str, str] = ("-25", "25")
    digital: tuple[str, str] = ("-32768", "32767")
    prefilter: str = ""
    samples: int = 100
    reserved: str = ""


def annotation_channel(samples: int, physical: tuple[str, str] = ("-1", "1"), kind: str = "EDF") -> Channel:
    """The header of an annotation signal; ``kind`` is EDF or BDF."""
    return Channel(label=f"{kind} Annotations", unit="", physical=physical, samples=samples)


def tal(onset: str, *texts: str, duration: str = "") -> bytes:
    """One time-stamped annotation list; an empty first text keeps the time of the record."""
    stamp = onset + ("\x15" + duration if duration else "")
    return b"".join(part.encode() + b"\x14" for part in (stamp, *texts)) + b"\0"


def annotation_bytes(tals: Sequence[bytes], samples: int, width: int = 2) -> bytes:
    """TALs padded to the size of the annotation signal."""
    content = b"".join(tals)
    assert len(content) <= samples * width, f"{len(content)} bytes of annotations in {samples * width}"
    return content.ljust(samples * width, b"\0")


def build(
    channels: Sequence[Channel],
    records: Sequence[Sequence[object]],
    *,
    patient: str | bytes = "X X X X",
    recording: str | bytes = "Startdate 01-JAN-2002 X X X",
    date: str = "01.01.02",
    time: str = "10.00.00",
    reserved: str = "EDF+D",
    duration: str = "0.05",
    nrec: str | None = None,
    header_bytes: str | None = None,
    ns: str | None = None,
    version: bytes = b"0       ",
) -> bytes:
    """A whole file. A record has, for each channel, either digital samples or the bytes of its annotations."""
    is_bdf = version.startswith(b"\xff")
    count = len(channels)

    def text(value: str | bytes, width: int) -> bytes:
        raw = value if isinstance(value, bytes) else value.encode("ascii")
        assert len(raw) <= width, f"{raw!r} is longer than {width}"
        return raw.ljust(width)

    head = version + text(patient, 80) + text(recording, 80) + text(date, 8) + text(time, 8)
    head += text(str(256 * (count + 1)) if header_bytes is None else header_bytes, 8) + text(reserved, 44)
    head += text(str(len(records)) if nrec is None else nrec, 8) + text(duration, 8)
    head += text(str(count) if ns is None else ns, 4)
    columns = (
        (16, [c.label for c in channels]), (80, [c.transducer for c in channels]), (8, [c.unit for c in channels]),
        (8, [c.physical[0] for c in channels]), (8, [c.physical[1] for c in channels]),
        (8, [c.digital[0] for c in channels]), (8, [c.digital[1] for c in channels]),
        (80, [c.prefilter for c in channels]), (8, [str(c.samples) for c in channels]),
        (32, [c.reserved for c in channels]),
    )  # fmt: skip
    head += b"".join(text(value, width) for width, values in columns for value in values)
    body = [b""]
    for record in records:
        for channel, content in zip(channels, record, strict=True):
            raw = content if isinstance(content, bytes) else _digital_bytes(content, is_bdf=is_bdf)
            assert len(raw) == channel.samples * (3 if is_bdf else 2), "a record has the wrong size"
            body.append(raw)
    return head + b"".join(body)


def _digital_bytes(samples: object, *, is_bdf: bool) -> bytes:
    if not is_bdf:
        return np.asarray(samples).astype("<i2").tobytes()
    return np.asarray(samples).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


def quantise(samples_uv: object, channel: Channel, factor: float) -> np.ndarray:
    """Microvolts to stored numbers; ``factor`` is what one physical unit is in microvolts."""
    (pmin, pmax), (dmin, dmax) = (map(float, channel.physical), map(int, channel.digital))
    digital = (np.asarray(samples_uv, np.float64) / factor - pmin) * (dmax - dmin) / (pmax - pmin) + dmin
    return np.clip(np.rint(digital), dmin, dmax).astype(np.int32)


_SPEC_APB = Channel(label="R APB", transducer="AgAgCl electrodes", unit="mV", physical=("-100", "100"),
                    digital=("-2048", "2047"), prefilter="HP:3Hz LP:20kHz", samples=1000)  # fmt: skip
_MNCV_APB = Channel(label="NC L_APB", transducer="Ag-AgCl electrodes", unit="mV", physical=("-25", "25"),
                    digital=("-8985", "10265"), prefilter="HP:10Hz LP:10kHz", samples=500)  # fmt: skip
_SNCV_FINGER = Channel(label="NC Second Finger", transducer="Ring elect. 2d finger", unit="uV",
                       physical=("-250", "250"), digital=("-9625", "9625"), prefilter="HP:20Hz LP:3kHz",
                       samples=500)  # fmt: skip

_PLAIN_37 = (
    ("+0", "Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site", "Response 7.2mV at 3.8ms"),
    ("+10", "Stimulus right elbow 0.2ms x 15.3mA at 28.5cm from recording site", "Response 7.2mV at 7.8ms (55.0m/s)"),
)


def _stimulus_xml(site: str, position: str, duration_ms: str, intensity_ma: str, distance_cm: str) -> str:
    return (
        f'<EDF_XMLnote>\n<Stimulus_{site}><duration unit="ms" >{duration_ms}</duration>\n'
        f'<intensity mode="current" unit="mA">{intensity_ma}</intensity>\n<position>{position}</position>\n'
        f'<distance mode="stimulus to recording" unit="cm">{distance_cm}</distance>\n</Stimulus_{site}>\n</EDF_XMLnote>'
    )


def _measured_xml(latency_ms: str, amplitude_mv: str, velocity: str = "") -> str:
    last = f'<velocity mode = "segmental" unit = "m/s">{velocity}</velocity>\n' if velocity else ""
    return (
        f'<EDF_XMLnote>\n<measurements><latency unit="ms">{latency_ms}</latency>\n'
        f'<amplitude mode=" baseline to peak" unit="mV">{amplitude_mv}</amplitude>\n{last}'
        "</measurements>\n</EDF_XMLnote>"
    )


def spec_37(records_uv: Sequence[object], variant: str = "plain") -> bytes:
    """The motor study of section 3.7: median nerve, right APB, wrist and elbow, two records of 1000 samples at 20 kHz.

    Parameters
    ----------
    records_uv
        Two arrays of shape (1000,), microvolts, true sign.
    variant
        ``"plain"``: one TAL a record; ``"xml"``: a label and two XML notes, each a TAL of its own (the annotation
        signal is longer then than the specification's 60).
    """
    if variant == "plain":
        size = 60
        tals = [[tal(onset, "", *texts)] for onset, *texts in _PLAIN_37]
    elif variant == "xml":
        size = 400
        notes = (
            ("+0", "wrist", _stimulus_xml("wrist", "right wrist", "0.2", "8.2", "6.5"), _measured_xml("3.8", "7.2")),
            ("+10", "elbow", _stimulus_xml("elbow", "right elbow", "0.2", "15.3", "28.5"),
             _measured_xml("7.8", "7.2", "55.0")),
        )  # fmt: skip
        tals = [
            [tal(onset, ""), tal(onset, f"Stimulus_{site}"), tal(onset, stimulus), tal(onset, measured)]
            for onset, site, stimulus, measured in notes
        ]
    else:
        raise ValueError(variant)
    records = [
        (quantise(samples, _SPEC_APB, 1e3), annotation_bytes(some, size))
        for samples, some in zip(records_uv, tals, strict=True)
    ]
    return build(
        [_SPEC_APB, annotation_channel(size)], records, patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry",
        recording="Startdate 02-MAR-2002 EMG561 BK/JOP Sony. MNC R Median Nerve.", date="17.04.01", time="11.25.00",
        duration="0.050",
    )  # fmt: skip


def _conduction_xml(position: str, distance_mm: str, recording: str, *, temperature: str = "") -> str:
    first = f'<temperature unit="degree C" position="left hand">{temperature}</temperature>' if temperature else ""
    return (
        f"<EDF_XMLnote><!--coded as example-->\n{first}\n<recording>{recording}</recording>\n"
        f"<position>{position}</position>\n"
        f'<distance mode="stimulus\n to recording" unit="mm">{distance_mm}</distance>\n</EDF_XMLnote>'
    )


def mncv(records_uv: Sequence[object], distances_mm: tuple[str, str] = ("70", "290")) -> bytes:
    """The motor study MNCV.edf: left median nerve, APB, wrist and elbow, two records of 500 samples at 10 kHz.

    Its digital range lies askew: digital 0 is -1.662 mV. The stimulus is marked in the time-keeping annotation.
    """
    notes = (
        ("+0", "StimA", _conduction_xml("left wrist", distances_mm[0], "L APB", temperature="33.2")),
        ("+10", "StimB", _conduction_xml("left elbow", distances_mm[1], "L APB")),
    )
    return _two_records(
        _MNCV_APB, notes, records_uv, 1e3, recording="Startdate 01-JAN-2002 emg1 jop N1 MNC_L_Median_Nerve",
        time="10.00.00", duration="0.05",
    )  # fmt: skip


def sncv(records_uv: Sequence[object], distances_mm: tuple[str, str] = ("140", "350")) -> bytes:
    """The antidromic sensory study SNCV.edf: left median nerve, second finger, two records of 500 samples at 25 kHz."""
    notes = (
        ("+0", "StimA", _conduction_xml("left wrist", distances_mm[0], "Second finger", temperature="33.2")),
        ("+60", "StimB", _conduction_xml("left elbow", distances_mm[1], "Second finger")),
    )
    return _two_records(
        _SNCV_FINGER, notes, records_uv, 1.0, recording="Startdate 01-JAN-2002 emg1 jop N1 SNC_L_Median_Nerve",
        time="10.30.00", duration="0.02",
    )  # fmt: skip


def _two_records(
    channel: Channel, notes: Sequence[tuple[str, str, str]], records_uv: Sequence[object], factor: float, **header: str
) -> bytes:
    records = [
        (quantise(samples, channel, factor), annotation_bytes([tal(onset, "", stimulus, note)], 500))
        for samples, (onset, stimulus, note) in zip(records_uv, notes, strict=True)
    ]
    annotations = replace(annotation_channel(500), physical=("0", "1"))
    return build([channel, annotations], records, patient="X M 29-JAN-1956 X", date="01.01.02", **header)


def read(content: bytes, *, keep_identifiers: bool = False, sidecar: object = None) -> Visit:
    """What the reader alone makes of a file, without the completion and the warnings of ``ncs.read``."""
    request = ReadRequest(path=Path("some.edf"), content=content, keep_identifiers=keep_identifiers, sidecar=sidecar)
    return EDF.read(request)


def motor(
    *records: Sequence[bytes], samples: object = None, annotation_size: int = 200, count: int = 100, **more: object
) -> bytes:
    """A one-channel file of 100 samples in 10 ms (10 kHz) a record, from the TALs of each record."""
    options: dict[str, Any] = {"duration": "0.01", "channel": Channel(samples=count)}
    options.update(more)
    channel = options.pop("channel")
    digital = np.arange(count) if samples is None else samples
    carrier = annotation_channel(annotation_size)
    body = [(digital, annotation_bytes(tals, annotation_size)) for tals in records]
    return build([channel, carrier], body, **options)
