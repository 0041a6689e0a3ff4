"""Visits and change tables to draw: simulated, then changed in what a test is about; and how to read a figure."""

import datetime as dt
from dataclasses import replace
from enum import StrEnum

import numpy as np
from lxml import etree, html

import ncs
from ncs import simulate
from ncs.longitudinal import Change, ChangeTable, Covariate, NotComparable, Repeatability, Series, Verdict, VisitValue
from ncs.model import SourceFile, Subject

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<b>Müller & \"Söhne\"</b> $x_1$ 'é'\x1b[31m"
"""A code that no page and no figure may obey."""
START = dt.date(2021, 3, 1)
REPEATABILITY = Repeatability(cv_percent=3.0, source="an example")


class LateTechnique(StrEnum):
    """A technique that the pages have no form for."""

    F_WAVE = "f_wave"


def source(name="P1_motor.edf", digit="a"):
    return SourceFile(name=name, sha256=digit * 64, size_bytes=4768, format="edf")


def visit(subject="P1", date=START, *, seed=0, snap_uv=35.0, velocity_m_s=50.0, **changes):
    made, truth = simulate.visit(
        Subject(id=subject), date, seed=seed, anatomy=7, motor=[simulate.MotorNerve(velocity_m_s=velocity_m_s)],
        sensory=[simulate.SensoryNerve(amplitude_uv=snap_uv)],
    )  # fmt: skip
    return replace(made, sources=(source(),), **changes), truth


def result(*args, **kwargs):
    """Return one analysed visit with a motor and a sensory study in one file."""
    return ncs.analyze(visit(*args, **kwargs)[0])


def with_study(made, index=0, **changes):
    """Return a visit in which one study is changed."""
    studies = list(made.studies)
    studies[index] = replace(studies[index], **changes)
    return replace(made, studies=tuple(studies))


def with_traces(made, index=0, **changes):
    """Return a visit in which all traces of one study are changed."""
    traces = tuple(replace(trace, **changes) for trace in made.studies[index].traces)
    return with_study(made, index, traces=traces)


def repeated(trace, n, *, seed=0, noise_uv=20.0):
    """Return a trace of so many sweeps, alike but for noise."""
    noise = np.random.default_rng(seed).normal(0, noise_uv, (n, trace.n_samples))
    stimulus = replace(trace.stimulus, intensity_ma=None, intensity_v=None)
    return replace(
        trace, samples_uv=trace.samples_uv[:1] + noise, stimulus_ms=np.full(n, trace.stimulus_ms[0]), stimulus=stimulus
    )


def table(courses, **changes):
    """Return a change table of subject to values, m/s; ``None`` is not recordable. Visits are half a year apart."""
    series = tuple(_series(subject, values) for subject, values in courses.items())
    rows = tuple(_change(one, value) for one in series for value in one.visits[1:])
    return replace(
        ChangeTable(
            rows=rows, series=series, quantity="motor_conduction_velocity", unit="m/s", nerve="median",
            repeatability=REPEATABILITY, factor=1.96, temperature_limit_c=2.0, distance_tolerance_percent=8.0,
            rule="A difference counts when it exceeds 1.96 standard deviations.",
        ),
        **changes,
    )  # fmt: skip


def day(number):
    return START + dt.timedelta(days=182 * number)


def _series(subject, values):
    visits = tuple(
        VisitValue(
            subject=subject, date=day(number), value=value, sd=None if value is None else 0.2,
            reason="no_response" if value is None else None,
            reason_text="no response above the noise" if value is None else "", runs=(number + 1,),
            source=f"{number}.edf",
        )
        for number, value in enumerate(values)
    )  # fmt: skip
    return Series(
        subject=subject, quantity="motor_conduction_velocity", unit="m/s", nerve="median", side="right",
        recording_site="APB", segment="wrist-elbow", visits=visits,
    )  # fmt: skip


def _change(series, visit):
    before = series.baseline
    same = {"series": series, "baseline": before, "visit": visit, "months": (visit.date - before.date).days / 30.4375}
    if before.value is None or visit.value is None:
        reason = NotComparable.NOT_RECORDABLE_NOW if visit.value is None else NotComparable.NOT_RECORDABLE_AT_BASELINE
        return Change(verdict=Verdict.NOT_COMPARABLE, reason=reason, **same)
    difference, error = visit.value - before.value, 0.083 * (visit.value + before.value) / 2
    verdict = Verdict.INCREASED if difference > error else Verdict.DECREASED
    if abs(difference) <= error:
        verdict = Verdict.UNCHANGED
    percent = 100 * difference / before.value
    return Change(verdict=verdict, difference=difference, percent=percent, error_95=error, **same)


def covariates(courses, name="VEGF"):
    """Return covariates of subject to numbers, or ``"<15"``, at the visits of ``table``."""
    return [
        Covariate(
            subject=subject, date=day(number), name=name, unit="pg/mL", upper_limit=1040.0,
            **({"text": value, "below": float(value[1:])} if isinstance(value, str) else {"number": value}),
        )
        for subject, values in courses.items()
        for number, value in enumerate(values)
    ]  # fmt: skip


def svg(text):
    """Return the root of an SVG, read as strictly as XML is."""
    return etree.fromstring(text)


def page(text):
    return html.document_fromstring(text)


def part(root, ident):
    """Return the element of an id; there is exactly one."""
    (found,) = root.xpath(f"//*[@id='{ident}']")
    return found


def points(element):
    """Return the points of the first path in an element, shape ``(n, 2)``."""
    (path,) = element.findall(f"{SVG}path")[:1]
    words = path.get("d").replace("M", " ").replace("L", " ").replace("z", " ").split()
    return np.array(words, float).reshape(-1, 2)


def texts(root):
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def time_axis(root):
    """Return a function from points of the figure to ms, made from the labelled ticks of its first time axis."""
    ticks = []
    for tick in root.xpath("(//*[contains(@id, '-matplotlib.axis_1')])[1]/*[contains(@id, '-xtick_')]"):
        label = "".join(tick.itertext()).strip().replace("\N{MINUS SIGN}", "-")
        (use,) = tick.iter(f"{SVG}use")
        ticks.append((float(use.get("x")), float(label)))
    slope, start = np.polyfit(*np.array(ticks).T, 1)
    return lambda x: start + slope * x
