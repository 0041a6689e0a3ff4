"""Pages: complete, escaped, alone, and the same every time."""

import datetime as dt
import re
from dataclasses import replace

import pytest

import ncs
from ncs.errors import InvalidInputError, Problem
from ncs.longitudinal import cohort
from ncs.model import ReportedMeasurement
from ncs.report import MarkEdit, cohort_page, visit_page
from ncs.results import REPORTED_BY, Measurement
from tests.report import build

NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def stands_alone(text):
    """Fail when a page refers to anything outside itself, or runs anything."""
    root = build.page(text)
    assert set(re.findall(r"(?:https?:)?//[\w./-]+", text)) <= NAMESPACES
    assert not root.xpath("//script | //link | //iframe | //img | //object | //embed | //base")
    assert "@import" not in text
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            if name in {"href", "src", "xlink:href"}:
                assert value.startswith("#"), value
    ids = root.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in root.xpath("//@*[name()='xlink:href']")} <= set(ids)
    return root


def cells(root, heading):
    """Return the rows of the first table below a heading."""
    (found,) = root.xpath(f"//h2[normalize-space()='{heading}']/following::table[1]")
    return [[" ".join(cell.text_content().split()) for cell in row.xpath("td|th")] for row in found.xpath(".//tr")]


def words(root):
    return " ".join(root.text_content().split())


@pytest.fixture(scope="module")
def result():
    return build.result()


def test_a_visit_page_stands_alone_and_repeats(result):
    text = visit_page([result])
    assert text == visit_page([result])
    root = stands_alone(text)
    assert root.xpath("string(//title)") == "P1, 2021-03-01: nerve conduction study"
    assert len(root.xpath("//figure/svg")) == 2
    assert "@media print" in text
    assert "size: A4" in text


def test_tables_have_the_measured_numbers(result):
    root = build.page(visit_page([result]))
    heading, wrist, elbow = cells(root, "Motor")
    assert heading == [
        "nerve", "record", "site", "latency ms", "amplitude mV", "area mV.ms", "duration ms", "segment", "distance mm",
        "MCV m/s",
    ]  # fmt: skip
    values = {(m.quantity, m.site or m.segment): m.value for m in result.measurements}
    assert wrist[:3] == ["right median", "APB", "wrist"]
    assert float(wrist[3].split()[0]) == pytest.approx(values["motor_latency", "wrist"], abs=0.005)
    assert float(elbow[4].split()[0]) == pytest.approx(values["cmap_amplitude", "elbow"] / 1000, abs=0.005)
    assert float(elbow[-1].split()[0]) == pytest.approx(values["motor_conduction_velocity", "wrist-elbow"], abs=0.05)
    heading, *_ = cells(root, "Sensory")
    assert heading[-1] == "SCV m/s"
    assert "amplitude µV" in heading
    further = {row[2] for row in cells(root, "Further numbers")}
    assert {"CMAP peak to peak amplitude", "CMAP total duration", "distal motor latency"} <= further


def test_every_measurement_is_on_the_page_once(result):
    """Nothing that was measured disappears between the forms."""
    root = build.page(visit_page([result]))
    shown = sum("±" in "".join(cell.itertext()) for cell in root.xpath("//table//td"))
    assert shown == sum(m.value is not None and m.sd is not None for m in result.measurements)


def test_conditions_and_provenance_are_stated(result):
    text = words(build.page(visit_page([result])))
    for part in (
        "33.0 °C", "2 to 10000 Hz (right median motor); 20 to 2000 Hz (right median sensory)", "P1_motor.edf", "a" * 64,
        f"ncs {result.version}", result.fingerprint, "changepoint", "none were applied", "4 768",
    ):  # fmt: skip
        assert part in text, part


def test_marks_of_the_figure_stand_in_a_table(result):
    root = build.page(visit_page([result]))
    (table, *_) = root.xpath("//figure[1]/following::table[1]")
    first = [" ".join(cell.text_content().split()) for cell in table.xpath(".//tbody/tr[1]/td")]
    measured = result.marks[0].measured
    assert first[0] == "wrist"
    onset, sd = float(measured.onset_ms[0]), float(measured.onset_sd_ms[0])
    assert first[4] == f"{onset:.2f} ({onset - 1.96 * sd:.2f} to {onset + 1.96 * sd:.2f})"
    assert first[5] == f"{float(measured.peak_ms[0]):.2f}"


def test_what_is_missing_says_why():
    root = build.page(visit_page([build.result(snap_uv=0.0)]))
    rows = cells(root, "What is missing, and why")
    assert rows[1] == [
        "right median, sensory", "wrist",
        "sensory onset latency, sensory peak latency, SNAP amplitude, SNAP peak to peak amplitude",
        "no response above the noise",
    ]  # fmt: skip
    assert "NR (a)" in cells(root, "Sensory")[1]
    assert "NR: not recordable" in words(root)


def test_a_notice_stands_above_everything(result):
    root = stands_alone(visit_page([result], notice="SIMULATED <DATA>"))
    assert root.xpath("string(//body/*[1])").strip() == "SIMULATED <DATA>"
    assert root.xpath("string(//title)").startswith("SIMULATED <DATA> P1")


def test_nothing_missing_is_said_too(result):
    assert "Nothing: every number of every study could be measured." in words(build.page(visit_page([result])))


def test_marks_that_a_person_moved_are_listed(result):
    text = words(build.page(visit_page([result])))
    assert "No mark was moved by a person." in text
    edit = MarkEdit(
        nerve="median", side="right", technique="motor", site="wrist", mark="onset", old_ms=3.41, new_ms=None,
        author="reader <1>", when=dt.datetime(2021, 3, 2, 10, 30, tzinfo=dt.UTC), why="artefact & noise",
    )  # fmt: skip
    root = build.page(visit_page([result], edits=[edit]))
    assert cells(root, "Marks moved by a person")[1] == [
        "right median motor", "wrist", "onset", "3.41", "none", "reader <1>", "2021-03-02 10:30+00:00",
        "artefact & noise",
    ]  # fmt: skip
    assert "No mark was moved" not in words(root)


def test_names_obey_nobody():
    made, _ = build.visit(build.NASTY, covariates={"<i>x</i>": build.NASTY})
    made = build.with_study(made, nerve=build.NASTY, recording_site=build.NASTY, temperature_site="<u>palm</u>")
    made = build.with_traces(made, stimulation_site=build.NASTY, notes=("<script>alert(1)</script>",))
    problem = Problem(file="<a>", place="", field="unit", expected="mV", found="<svg onload=x>")
    made = replace(made, sources=(build.source(name='"><img src=x>.edf'),), problems=(problem,))
    text = visit_page([ncs.analyze(made)])
    root = stands_alone(text)
    assert not root.xpath("//b | //i | //u")
    assert "\x1b" not in text
    assert "<script>alert(1)</script>" in words(root)
    assert "<b>Müller & \"Söhne\"</b> $x_1$ 'é' [31m" in words(root)


def test_files_of_a_visit_come_together_and_other_visits_are_refused(result):
    second = replace(result, visit=replace(result.visit, sources=(build.source("b.edf", "b"),)))
    text = words(build.page(visit_page([result, second])))
    assert "b" * 64 in text
    assert "a" * 64 in text
    stands_alone(visit_page([result, second]))
    with pytest.raises(InvalidInputError, match="P1 on 2021-03-01, P2 on 2021-03-01"):
        visit_page([result, build.result("P2")])
    with pytest.raises(InvalidInputError, match="found none"):
        visit_page([])


def test_a_technique_without_a_form_loses_nothing():
    made, _ = build.visit()
    analysed = ncs.analyze(build.with_study(made, 1, technique=build.LateTechnique.F_WAVE))
    kept = [m for m in analysed.measurements if m.study_index == 0]
    late = {"unit": "ms", "nerve": "median", "study_index": 1}
    kept += [
        Measurement(quantity="motor_latency", value=26.4, sd=0.1, site="wrist", **late),
        Measurement(quantity="residual_latency", value=3.25, sd=0.2, **late),
    ]
    root = stands_alone(visit_page([replace(analysed, measurements=tuple(kept))]))
    assert cells(root, "F wave")[1][2:] == ["wrist", "26.40 ±0.10"]
    assert "3.25 ±0.20" in words(root)


def test_results_without_waveforms_are_shown():
    """What a recorder reports and no waveform supports is there, with who reported it."""
    made, _ = build.visit()
    reported = ReportedMeasurement(quantity="rheobase", value=2.5, unit="mA", source="a recorder <1>")
    bare = replace(made, studies=(replace(made.studies[0], traces=(), reported=(reported,)),))
    found = Measurement(
        quantity="rheobase", value=2.5, unit="mA", method=f"{REPORTED_BY}a recorder <1>", nerve="median"
    )
    analysed = replace(ncs.analyze(made), visit=bare, marks=(), measurements=(found,))
    root = stands_alone(visit_page([analysed]))
    assert cells(root, "Further numbers")[1] == [
        "right median", "", "rheobase", "2.50", "mA", "reported by a recorder <1>",
    ]  # fmt: skip
    assert "No waveform was recorded." in words(root)


def test_a_visit_without_stimulus_time_or_technique_has_a_page():
    made, _ = build.visit()
    odd = build.with_study(build.with_traces(made, stimulus_ms=None), 1, technique=None)
    text = words(stands_alone(visit_page([ncs.analyze(odd)])))
    assert "the time of the stimulus is not stated" in text
    assert "the technique is not stated" in text


# cohort


@pytest.fixture(scope="module")
def table():
    courses = {f"S{n:02}": [24.0 + 2 * n, 25.0 + 2 * n, 24.0 + 3.2 * n] for n in range(1, 9)}
    return build.table({**courses, "S09": [30.0, None], "S10": [31.0], build.NASTY: [30.0, 36.0]})


@pytest.fixture(scope="module")
def values(table):
    return build.covariates({name: [900.0 + n, 500.0, "<15"] for n, name in enumerate(s.subject for s in table.series)})


def test_a_cohort_page_stands_alone_and_repeats(table, values):
    results = [build.result(date=build.day(n), seed=n) for n in range(2)]
    together = cohort(table, values)
    page = cohort_page(table, together, covariates=values, results=results, limit=49.0, limit_label=build.NASTY)
    assert page == cohort_page(table, together, covariates=values, results=results, limit=49.0, limit_label=build.NASTY)
    root = stands_alone(page)
    headings = root.xpath("//h2/text()")
    assert headings == [
        "When a change counts", "Change of every subject", "Trajectories", "Against VEGF",
        "Waveforms of P1, right median, motor", "Statistics",
        "Where the numbers come from",
    ]  # fmt: skip
    assert "a" * 64 in words(root)


def test_the_sentence_comes_first_and_the_rule_is_in_words(table, values):
    together = cohort(table, values)
    root = build.page(cohort_page(table, together, covariates=values))
    assert " ".join(root.xpath("string(//p[1])").split()) == " ".join(together.sentence.split())
    text = words(root)
    for part in (table.rule, "coefficient of variation 3 %", "an example", together.multiplicity, *together.warnings):
        assert " ".join(part.split()) in text


def test_every_visit_of_every_subject_is_in_the_table(table, values):
    root = build.page(cohort_page(table, cohort(table, values)))
    (found,) = root.xpath("//section[@id='changes']//table[2]") or root.xpath("(//section[@id='changes']//table)[2]")
    rows = [[" ".join(cell.text_content().split()) for cell in row.xpath("td")] for row in found.xpath(".//tbody/tr")]
    assert len(rows) == sum(len(series.visits) for series in table.series)
    assert [row[0] for row in rows if row[0]][:2] == ["S01", "S02"]
    assert rows[1][2:4] == ["6.0", "27.0 ±0.2"]
    lost = next(row for row in rows if "NR" in row[3])
    assert lost[-1].startswith("not comparable (")
    assert "no longer recordable" in words(root)
    assert sum(row[-1] == "baseline" for row in rows) == len(table.series)


def test_counts_agree_with_the_cohort(table, values):
    together = cohort(table, values)
    root = build.page(cohort_page(table, together))
    counts = {row[0]: int(row[1]) for row in cells(root, "Change of every subject")[1:]}
    assert counts == {**{str(k): n for k, n in together.counts.items()}, "with a later visit": together.n}


def test_places_are_named_where_they_differ(table, values):
    root = build.page(cohort_page(table, cohort(table, values)))
    assert "right median, wrist-elbow, recorded from APB" in root.xpath("string(//section[@id='changes']/p[1])")
    left = replace(table.series[0], subject="S77", side="left", visits=table.series[0].visits[:1])
    mixed = replace(table, series=(*table.series, left))
    root = build.page(cohort_page(mixed, cohort(mixed, values)))
    assert not root.xpath("//section[@id='changes']/p")
    assert "left median, wrist-elbow, recorded from APB" in root.xpath("string((//section[@id='changes']//table)[2])")


def test_subject_names_obey_nobody(table, values):
    page = cohort_page(table, cohort(table, values), covariates=values)
    root = stands_alone(page)
    assert not root.xpath("//b")
    assert "\x1b" not in page
    assert "<b>Müller & \"Söhne\"</b> $x_1$ 'é' [31m" in words(root)


def test_one_subject_with_one_visit_has_a_page():
    lone = build.table({"P": [40.0]})
    text = words(stands_alone(cohort_page(lone, cohort(lone, ()))))
    assert "one visit" in text
