"""Stores with chosen numbers: one measurement per recording, as an analysis would have left it."""

import datetime as dt
import hashlib

import numpy as np

import ncs
from ncs.longitudinal import Covariate, Series, VisitValue
from ncs.longitudinal._change import change_of
from ncs.longitudinal._repeatability import default_repeatability
from ncs.model import Side, SourceFile, Study, Subject, Technique, Trace, Visit
from ncs.quantities import QUANTITIES
from ncs.results import Measurement, Reason, VisitResult

START = dt.date(2020, 3, 2)
NR = Reason.NO_RESPONSE


def recording(
    subject, date, value, *, sd=0.1, quantity="motor_conduction_velocity", nerve="median", side=Side.RIGHT,
    segment="wrist-elbow", site=None, recording_site="APB", distance_mm=220.0, skin_temperature_c=33.0, copy=0,
    flags=(),
):  # fmt: skip
    """Return the result of one file; ``value`` is a number or the reason why there is none."""
    missing = isinstance(value, Reason)
    key = f"{subject} {date} {quantity} {nerve} {side} {segment} {site} {recording_site} {copy}"
    trace = Trace(samples_uv=np.zeros((1, 4), dtype=np.float32), sampling_rate_hz=20_000.0, stimulus_ms=np.zeros(1))
    study = Study(
        traces=(trace,), nerve=nerve, side=side, technique=Technique.MOTOR, recording_site=recording_site,
        skin_temperature_c=skin_temperature_c,
    )  # fmt: skip
    source = SourceFile(
        name=f"{subject}_{date}_{copy}.edf", sha256=hashlib.sha256(key.encode()).hexdigest(), size_bytes=1, format="edf"
    )
    made = Measurement(
        quantity=quantity,
        value=None if missing else float(value),
        sd=None if missing else sd,
        unit=QUANTITIES[quantity].unit,
        reason=value if missing else None,
        nerve=nerve,
        side=side,
        technique=Technique.MOTOR,
        recording_site=recording_site,
        site=site,
        segment=segment,
        distance_mm=distance_mm,
        skin_temperature_c=skin_temperature_c,
        flags=flags,
    )
    return VisitResult(
        visit=Visit(subject=Subject(id=subject), date=date, studies=(study,), sources=(source,)),
        marks=(), measurements=(made,), parameters={}, version="0.1.0", fingerprint="0" * 64,
    )  # fmt: skip


def day(months):
    """Return the date so many months after the start."""
    return START + dt.timedelta(days=round(months * 365.25 / 12))


def store_of(*results, path=":memory:"):
    """Return an open store that holds these results."""
    store = ncs.open_store(path)
    store.save_many(results)
    return store


def course(subject, *values, step_months=6, **more):
    """Return one recording per value, so many months apart."""
    return [recording(subject, day(step_months * index), value, **more) for index, value in enumerate(values)]


def paper_store(path=":memory:"):
    """Return nine invented subjects of whom the velocity rises in seven, stays in one, and is lost in one."""
    courses = {
        "S01": (31.0, 36.5, 42.0), "S02": (28.5, 33.0, 39.5), "S03": (35.0, 38.0, 44.0), "S04": (26.0, 30.0, 37.0),
        "S05": (33.0, 36.0, 41.5), "S06": (38.0, 42.0, 47.0), "S07": (30.0, 35.0, 40.0), "S08": (36.0, 36.5, 36.9),
        "S09": (22.0, NR, NR),
    }  # fmt: skip
    return store_of(*(one for code, values in courses.items() for one in course(code, *values)), path=path)


VEGF = {
    "S01": ("1520", "22"), "S02": ("980", "<15"), "S03": ("2400", "30.5"), "S04": ("3100", "510"), "S05": ("750", "37"),
    "S06": ("640", "38.3"), "S07": ("1900", "240"), "S08": ("880", "300"), "S09": ("1250", "420"),
}  # fmt: skip
ONLS = {
    "S01": ("6", "3"), "S02": ("5", "2"), "S03": ("4", "2"), "S04": ("7", "5"), "S05": ("4", "3"), "S06": ("3", "1"),
    "S07": ("5", "5"), "S08": ("4", "4"), "S09": ("6", "6"),
}  # fmt: skip


def covariate_csv(path, *, days_off=2):
    """Write the covariates of ``paper_store``, taken some days after the visits."""
    lines = ["subject,date,name,value,unit"]
    for name, unit, values in (("VEGF", "pg/mL", VEGF), ("ONLS", "", ONLS)):
        for code, pair in values.items():
            for months, value in zip((0, 12), pair, strict=True):
                lines.append(f"{code},{day(months) + dt.timedelta(days=days_off)},{name},{value},{unit}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table_of(courses, *, quantity="motor_conduction_velocity", unit="m/s", months=(0, 6, 12), **more):
    """Return the table of subjects by their values, without a store; ``None`` is a response that is not recordable.

    ``more`` has facts of single visits, by subject and number of the visit.
    """
    where = {"segment": "wrist-elbow"} if "velocity" in quantity else {"site": "wrist"}
    these = [
        Series(
            subject=code, quantity=quantity, unit=unit, nerve="median", side="right", **where,
            visits=tuple(
                VisitValue(
                    subject=code, date=day(months[k]), value=value, sd=0.1,
                    reason=None if value is not None else "no_response", **more.get(code, {}).get(k, {}),
                )
                for k, value in enumerate(values)
            ),
        )
        for code, values in courses.items()
    ]  # fmt: skip
    return change_of(these, quantity=quantity, nerve="median", repeatability=default_repeatability(quantity, "median"))


RISING = {"S1": (30.0, 33.0, 36.0), "S2": (31.0, 34.1, 37.2), "S3": (32.0, 35.2, 38.4), "S4": (33.0, 36.3, 39.6)}


def covariate(subject, months, number, *, name="VEGF", days=0, **more):
    """Return a covariate so many months, and days, after the start."""
    return Covariate(subject=subject, date=day(months) + dt.timedelta(days=days), name=name, number=number, **more)


def below(subject, months, limit, **more):
    """Return a covariate below a detection limit."""
    return covariate(subject, months, None, text=f"<{limit:g}", below=limit, **more)
