"""QTRAC MEM files: every number of the real files by an independent reading, and what a number must not become."""

import datetime as dt
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ncs
from ncs.errors import ConflictError, NcsError, NcsWarning, ReadError
from ncs.io._recording import ReadRequest
from ncs.io.qtrac import QTRAC
from ncs.io.registry import choose
from ncs.model import Origin, Side, Technique
from ncs.quantities import QUANTITIES

SIDECAR = {"ncs_sidecar": 1, "subject": "P1", "date": "2017-08-21", "side": "right"}
NAMES = ("FESB70821A", "FESB70821B", "short_test")
HEADER = b" File:\tx\r\n Name:\tSMITH\r\n S/R sites:\tMedian Wr-APB\r\n\r\n DERIVED EXCITABILITY VARIABLES\r\n\r\n"


@pytest.fixture
def folder(recordings):
    return recordings / "qtrac_mem"


def mem(tmp_path, content, **how):
    path = tmp_path / "a.MEM"
    path.write_bytes(content if content.startswith(b" File") else HEADER + content)
    return ncs.read(path, **{"sidecar": SIDECAR, **how})


def reported(visit):
    return {value.source.split(": ", 1)[1]: value for value in visit.studies[0].reported}


def rows(path, code):
    """Return the rows of a table of the real file, read with a pattern of their own."""
    text = path.read_bytes().decode("ascii")
    found = re.findall(rf"^{re.escape(code)}\d*\.\d+ *\t(.*?)\r$", text, re.MULTILINE)
    return np.array([[float(cell) for cell in line.split("\t")] for line in found])


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_real_files(folder, name):
    path = folder / f"{name}.MEM"
    visit = ncs.read(path, sidecar=SIDECAR)
    assert visit.problems == ()
    text = path.read_bytes().decode("ascii").split("DERIVED EXCITABILITY VARIABLES")[1]
    numbered = re.findall(r"^ \d+\. *\t(\S+) *\t(.*?)\r$", text, re.MULTILINE)
    extra = re.findall(r"^(\S+) = (-?[\d.]+)\r$", text, re.MULTILINE)
    stated = {name.replace("\\", " "): float(value) for value, name in numbered} | {n: float(v) for n, v in extra}
    header = {"Temperature ( C)", "Age (years)", "Sex (M=1, F=2)"}
    found = {key: value for key, value in reported(visit).items() if not key.startswith("Max CMAP")}
    assert {re.sub(r" +", " ", key) for key in set(stated) - header} == set(found)
    for key, value in found.items():
        factor = 1000 if value.unit == "uV" else 1
        assert value.value == pytest.approx(stated[key] * factor, rel=1e-12), key
        assert value.quantity in QUANTITIES
        assert value.quantity == "reported_value" or value.unit == QUANTITIES[value.quantity].unit
    curves = {curve.name.split()[-1]: curve for curve in visit.studies[0].curves}
    for code in ("SR", "QT", "TE1", "TE2", "RC1", "IV1"):
        np.testing.assert_array_equal(curves[code].rows, rows(path, code))
        assert len(curves[code].columns) == len(curves[code].rows[0])
    assert curves["TE1"].columns == ("Delay (ms)", "Current (%)", "Thresh redn. (%)")


def test_the_header_of_the_real_files(folder):
    median = ncs.read(folder / "FESB70821A.MEM", sidecar=SIDECAR)
    study = median.studies[0]
    assert (study.nerve, study.side, study.technique) == ("median", Side.RIGHT, Technique.MOTOR)
    assert (study.recording_site, study.skin_temperature_c, study.traces) == ("APB", 33.5, ())
    assert {value.site for value in study.reported} == {"wr"}
    assert study.provenance["nerve"] is study.provenance["skin_temperature_c"] is Origin.FILE
    assert (median.subject.id, median.subject.sex, median.subject.name) == ("P1", "M", None)
    assert median.covariates == {"age_years": 30.0, "nc_disease": "NC"}
    fibular = ncs.read(folder / "FESB70821B.MEM", sidecar=SIDECAR).studies[0]
    assert (fibular.nerve, fibular.recording_site) == (None, "TA")  # CP is not spelt out, and nothing is guessed
    assert {value.site for value in fibular.reported} == {"cp"}
    named = ncs.read(folder / "FESB70821A.MEM", sidecar=SIDECAR, keep_identifiers=True)
    assert (named.subject.name, named.covariates["comments"]) == ("CR21S", "smooth recording")


@pytest.mark.parametrize("name", NAMES[:2])
def test_the_definitions_hold_for_the_real_files(folder, name):
    """Recompute from the tables what ``ncs.quantities`` says that QTRAC reports."""
    path = folder / f"{name}.MEM"
    value = {v.quantity: v.value for v in ncs.read(path, sidecar=SIDECAR).studies[0].reported}
    duration, _, charge = rows(path, "QT").T
    rheobase, intercept = np.polyfit(duration, charge, 1)
    assert rheobase == pytest.approx(value["rheobase"], rel=2e-3)
    assert intercept / rheobase == pytest.approx(value["strength_duration_time_constant"], abs=2e-3)
    interval, change = rows(path, "RC").T
    means = np.convolve(change, np.ones(3) / 3, "valid")
    assert means.min() == pytest.approx(value["superexcitability"], abs=5e-3)
    assert means[means.argmin() :].max() == pytest.approx(value["subexcitability"], abs=0.01)
    first = np.flatnonzero((change[:-1] > 0) & (change[1:] <= 0))[0]
    crossing = np.interp(0, [change[first + 1], change[first]], np.log(interval[[first + 1, first]]))
    assert np.exp(crossing) == pytest.approx(value["relative_refractory_period"], abs=2e-3)
    current, reduction = rows(path, "IV").T
    reduction_at = dict(zip(current.tolist(), reduction.tolist(), strict=True))
    slope = [(b - a) / (reduction_at[b] - reduction_at[a]) for a, b in ((-10, 10), (-100, -80))]
    assert slope == pytest.approx([value["resting_iv_slope"], value["hyperpolarizing_iv_slope"]], abs=1e-3)
    assert value["ted_peak"] - value["ted_90_100_ms"] == pytest.approx(value["s2_accommodation"], abs=2e-3)


def test_reported_values_pass_the_analysis_and_the_store_as_they_are(folder, tmp_path):
    visit = ncs.read(folder / "FESB70821A.MEM", sidecar=SIDECAR)
    result = ncs.analyze(visit)
    assert len(result.measurements) == len(visit.studies[0].reported) == 33
    assert result.marks == ()
    row = next(m for m in result.measurements if m.quantity == "superexcitability")
    assert (row.value, row.unit, row.sd, row.nerve, row.site) == (-23.583, "%", None, "median", "wr")
    assert row.method.startswith("reported by QTRAC (QTracP 9/12/2016, protocol TRONDNF, threshold method 6")
    assert row.method.endswith("Superexcitability (%)")
    with ncs.open_store(tmp_path / "x.db") as store:
        store.save(result)
        table = store.measurements(nerve="median", quantity="rheobase")
        assert table.value.tolist() == [4.026]
        loaded = store.load_visit("P1", dt.date(2017, 8, 21))
        again = store.load_results("P1", dt.date(2017, 8, 21))[0]
    assert loaded.studies[0].reported == visit.studies[0].reported
    assert again.measurements == result.measurements
    assert ncs.analyze(loaded).measurements == result.measurements


def test_a_sidecar_describes_a_study_without_traces(folder):
    path = folder / "FESB70821B.MEM"
    entry = {"nerve": "Fibular", "skin_temperature_c": 33.3, "temperature_site": "ankle"}
    for sidecar in ({**SIDECAR, **entry}, {**SIDECAR, "studies": [entry]}):
        study = ncs.read(path, sidecar=sidecar).studies[0]
        assert (study.nerve, study.side, study.temperature_site) == ("fibular", Side.RIGHT, "ankle")
        assert len(study.reported) > 30
    assert len(ncs.read(path, sidecar={**SIDECAR, "studies": []}).studies) == 1
    with pytest.raises(ConflictError, match=r"33\.3"):
        ncs.read(path, sidecar={**SIDECAR, "skin_temperature_c": 30.0})


def test_a_date_that_is_open_is_asked_for(folder):
    with pytest.warns(NcsWarning, match="21/8/17.*open.*`date`"):
        visit = ncs.read(folder / "short_test.MEM")
    assert visit.date is None
    with pytest.warns(NcsWarning, match="can mean 2020-01-01"):
        ncs.read(folder / "short_test.MEM", sidecar={**SIDECAR, "date": "2020-01-01"})


def test_unknown_names_keep_their_words_and_known_ones_need_no_number(tmp_path):
    content = (
        b" 2.\t7.5\tFlux (jigowatt)\r\n 99.\t1,25\tRheobase\\(mA)\r\n\r\n EXTRA VARIABLES\r\n\r\nPotassium = 4.5\r\n"
    )
    found = reported(mem(tmp_path, content))
    assert (found["Flux (jigowatt)"].quantity, found["Flux (jigowatt)"].unit) == ("reported_value", "jigowatt")
    assert (found["Rheobase (mA)"].quantity, found["Rheobase (mA)"].value) == ("rheobase", 1.25)
    assert (found["Potassium"].quantity, found["Potassium"].unit, found["Potassium"].value) == (
        "reported_value",
        "",
        4.5,
    )


def test_what_cannot_be_read_is_named_with_its_line_and_left_out(tmp_path):
    content = (
        b" 3.\t0.2x7\tStrength-duration\\time constant (ms)\r\n 4.\t\tRheobase (mA)\r\n"
        b" 13.\t-20.0\tSuperexcitability (%)\r\n"
        b" 9.\t30.1\tTemperature ( C)\r\n\r\n RECOVERY CYCLE DATA\r\n\t Interval (ms)\t Change (%)\r\n"
        b"RC1.1\t 2\t 5\r\nRC1.2\t 3\t oops\r\nRC1.3\t 4\r\n"
    )
    with pytest.warns(NcsWarning) as warned:
        visit = mem(tmp_path, content)
    assert list(reported(visit)) == ["Superexcitability (%)"]
    assert [(p.place, p.field) for p in visit.problems] == [
        ("line 7", "Strength-duration time constant (ms)"), ("line 15", "RC1.2"), ("line 16", "RC1.3"),
    ]  # fmt: skip
    assert len(warned) == 3
    assert visit.studies[0].curves[0].rows == ((2.0, 5.0),)
    assert visit.studies[0].skin_temperature_c == 30.1


def test_a_variable_that_differs_from_the_header_is_noted(tmp_path):
    header = b" File:\tx\r\n Sex:\tF\r\n Temperature:\t33,5\r\n Age:\t? / 30\r\n S/R sites:\tUlnar\r\n\r\n"
    content = header + b" DERIVED EXCITABILITY VARIABLES\r\n 18.\t1\tSex (M=1, F=2)\r\n 4.\t4.0\tRheobase (mA)\r\n"
    with pytest.warns(NcsWarning) as warned:
        visit = mem(tmp_path, content)
    assert sorted(str(one.message).split(": ")[2] for one in warned) == ["Age", "Sex (M=1, F=2)"]
    assert (visit.subject.sex, visit.studies[0].skin_temperature_c) == ("F", 33.5)
    assert (visit.studies[0].nerve, visit.studies[0].recording_site) == ("ulnar", None)
    assert visit.studies[0].technique is None  # nothing says CMAP


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b" File:\tx\r\n S/R sites:\tUlnar Wr-ADM\r\n\r\n STIMULUS-RESPONSE DATA\r\n", "none that can be read"),
        (b" File:\tx\r\n DERIVED EXCITABILITY VARIABLES\r\n S/R sites:\0", "a zero byte"),
        (b" File:\tx\r\n" + b"x\n" * (1 << 20), "at most 1048576 bytes"),
    ],
)
def test_files_without_results_are_refused(tmp_path, content, word):
    with pytest.raises(ReadError, match=word):
        mem(tmp_path, content, format="qtrac")


def test_sniffing_goes_by_the_headings(folder, tmp_path):
    for name in NAMES:
        head = (folder / f"{name}.MEM").read_bytes()[:65536]
        assert choose(head, tmp_path / "x.txt").name == "qtrac"
    assert QTRAC.sniff(b"1,2\n3,4\n", tmp_path / "x.mem") == 0.0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_an_error_of_ncs_and_no_other(folder, tmp_path, data):
    content = bytearray((folder / data.draw(st.sampled_from(["short_test.MEM", "FESB70821B.MEM"]))).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    cut = data.draw(st.integers(0, len(content)))
    request = ReadRequest(path=tmp_path / "a.MEM", content=bytes(content[: cut or None]))
    try:
        values = QTRAC.read(request).studies[0].reported
    except NcsError:
        values = ()
    assert all(value.quantity in QUANTITIES for value in values)
