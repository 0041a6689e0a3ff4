"""Small multiples and the figure against a covariate: values where they belong, nothing lost, nothing invented."""

from dataclasses import replace

import numpy as np
import pytest

from ncs.errors import InvalidInputError
from ncs.report import against_covariate_svg, trajectories_svg
from ncs.report.trajectories import change_words, error_bar_95
from tests.report import build

NINE = {f"S0{n}": [24.0 + 2 * n, 25.0 + 2 * n, 24.0 + 3.2 * n] for n in range(1, 10)}


def ticks(root, ident, axis):
    """Return positions and labels of the ticks of one axis that has labels."""
    found = []
    for tick in build.part(root, ident).xpath(f".//*[contains(@id, '-{axis}tick_')]"):
        label = "".join(tick.itertext()).strip().replace("\N{MINUS SIGN}", "-")
        if label:
            (use,) = tick.iter(f"{build.SVG}use")
            found.append((float(use.get(axis)), float(label)))
    return np.array(found)


def scale(root, ident, axis):
    slope, start = np.polyfit(*ticks(root, ident, axis).T, 1)
    return lambda at: start + slope * at


def test_every_value_stands_where_it_was_measured():
    table = build.table(NINE)
    root = build.svg(trajectories_svg(table, limit=49.0))
    to_value = scale(root, "trajectories-axes_1", "y")
    first_panel = build.points(build.part(root, "trajectories-subject-0-series-0"))
    np.testing.assert_allclose(to_value(first_panel[:, 1]), NINE["S01"], atol=0.05)
    limit = build.points(build.part(root, "trajectories-subject-0-limit"))
    assert to_value(limit[0, 1]) == pytest.approx(49.0, abs=0.05)
    to_months = scale(root, "trajectories-axes_7", "x")  # only the lowest panels have labels
    last_row = build.points(build.part(root, "trajectories-subject-6-series-0"))
    np.testing.assert_allclose(to_months(last_row[:, 0]), np.arange(3) * 182 * 12 / 365.25, atol=0.1)


def test_every_subject_has_a_panel_with_its_verdict():
    words = build.texts(build.svg(trajectories_svg(build.table(NINE))))
    assert [word for word in words if word.startswith("S0")] == list(NINE)
    assert sum("increased" in word for word in words) == 7
    assert sum("= unchanged" in word for word in words) == 2
    assert "+4.8 m/s ↑ increased" in words  # S04: 32 to 36.8
    assert any("95 % interval of one visit" in word for word in words)


def test_bars_hold_noise_and_repeatability():
    table = build.table({"P": [40.0, 41.0]})
    expected = 1.96 * np.hypot(0.2, 0.03 * 40.0)
    assert error_bar_95(table, table.series[0].visits[0]) == pytest.approx(expected)
    root = build.svg(trajectories_svg(table))
    to_value = scale(root, "trajectories-axes_1", "y")
    bars = [
        build.points(group)
        for group in build.part(root, "trajectories-axes_1").xpath(".//*[contains(@id, 'LineCollection')]")
    ]
    heights = to_value(bars[0][:, 1])
    assert abs(heights[1] - heights[0]) / 2 == pytest.approx(expected, abs=0.05)
    with pytest.raises(ValueError, match="expected a value"):
        error_bar_95(table, replace(table.series[0].visits[0], value=None, reason="no_response"))


def test_not_recordable_is_written_and_no_line_goes_through_it():
    table = build.table({"P": [30.0, None, 34.0]})
    root = build.svg(trajectories_svg(table))
    words = build.texts(root)
    assert words.count("NR") == 1
    assert len(build.points(build.part(root, "trajectories-subject-0-series-0"))) == 2
    assert not any("?: not measured" in word for word in words)
    unknown = replace(table.series[0].visits[1], reason="no_distance", reason_text="the distance is not stated")
    series = replace(table.series[0], visits=(table.series[0].visits[0], unknown))
    words = build.texts(build.svg(trajectories_svg(replace(table, series=(series,), rows=()))))
    assert "?" in words
    assert any("?: not measured" in word for word in words)


@pytest.mark.parametrize("n", [1, 2, 12])
def test_any_number_of_subjects(n):
    root = build.svg(trajectories_svg(build.table({f"P{i}": [40.0] for i in range(n)})))
    assert build.texts(root).count("one visit") == n


def test_two_places_of_a_subject_look_different():
    table = build.table({"P": [40.0, 44.0]})
    left = replace(table.series[0], side="left")
    both = replace(table, series=(table.series[0], left))
    root = build.svg(trajectories_svg(both))
    styles = [
        build.part(root, f"trajectories-subject-0-series-{n}").find(f"{build.SVG}path").get("style") for n in (0, 1)
    ]
    assert "dasharray" not in styles[0]
    assert "dasharray" in styles[1]
    assert any("other places of a subject" in word for word in build.texts(root))


def test_a_value_from_another_place_is_off_the_line():
    table = build.table({"P": [40.0, 44.0, 47.0]})
    visits = list(table.series[0].visits)
    visits[1] = replace(visits[1], place="wrist-axilla, recorded from APB")
    root = build.svg(trajectories_svg(replace(table, series=(replace(table.series[0], visits=tuple(visits)),))))
    assert len(build.points(build.part(root, "trajectories-subject-0-series-0"))) == 2
    assert "x: measured at another place, not compared." in build.texts(root)


def test_names_obey_nobody_and_bytes_repeat():
    table = build.table({build.NASTY: [40.0, 44.0], "日本": [30.0, 31.0]})
    text = trajectories_svg(table, limit=49.0, limit_label=build.NASTY)
    assert text == trajectories_svg(table, limit=49.0, limit_label=build.NASTY)
    assert "<b>" not in text
    assert "日本" in build.texts(build.svg(text))


def test_nothing_to_draw_is_refused():
    with pytest.raises(InvalidInputError, match="found no subject"):
        trajectories_svg(build.table({}))
    with pytest.raises(InvalidInputError, match="columns: expected at least 1, found 0"):
        trajectories_svg(build.table(NINE), columns=0)


def test_display_units_in_words():
    table = build.table({"P": [4000.0, 2500.0]})
    amplitude = replace(table, quantity="cmap_amplitude", unit="uV")
    assert change_words(amplitude, amplitude.rows[0]) == "\N{MINUS SIGN}1.50 mV"
    words = build.texts(build.svg(trajectories_svg(amplitude, limit=4100.0)))
    assert "median: CMAP amplitude, mV" in words
    assert "Dashed: limit of normal, 4.1 mV." in words


# against a covariate

COURSES = {"A": [30.0, 35.0, 40.0], "B": [40.0, 41.0]}


def test_points_stand_at_both_values():
    values = build.covariates({"A": [900.0, 500.0, 100.0], "B": [200.0, 300.0]})
    root = build.svg(against_covariate_svg(build.table(COURSES), values, limit=49.0, limit_label="limit"))
    to_x, to_y = (scale(root, "covariate-axes_1", axis) for axis in "xy")
    line = build.points(build.part(root, "covariate-subject-0"))
    np.testing.assert_allclose(to_x(line[:, 0]), [900, 500, 100], rtol=0.02)
    np.testing.assert_allclose(to_y(line[:, 1]), COURSES["A"], atol=0.05)
    assert to_x(build.points(build.part(root, "covariate-upper-limit"))[0, 0]) == pytest.approx(1040, rel=0.02)
    words = build.texts(root)
    assert {"A", "B", "VEGF, pg/mL", "upper limit 1040"} <= set(words)


def test_a_value_below_detection_stands_at_its_limit_and_is_explained():
    root = build.svg(against_covariate_svg(build.table(COURSES), build.covariates({"A": [900.0, 500.0, "<15"]})))
    words = build.texts(root)
    assert any("stated as below" in word for word in words)
    assert any("Not drawn, without both values at a visit: B." in word for word in words)
    assert "20" in words  # the axis is logarithmic and labelled with round numbers
    line = build.points(build.part(root, "covariate-subject-0"))
    assert line[2, 0] < line[1, 0] < line[0, 0]


@pytest.mark.parametrize("upper_limit", [1040.0, None])
def test_codes_do_not_stand_on_each_other(upper_limit):
    same = {f"P{n}": [30.0, 35.0 + 0.05 * n] for n in range(5)}
    same["P9"] = [24.0, 45.0]
    values = [replace(v, upper_limit=upper_limit) for v in build.covariates({name: [900.0, 500.0] for name in same})]
    root = build.svg(against_covariate_svg(build.table(same), values))
    places = []
    for element in root.iter(f"{build.SVG}text"):
        if "".join(element.itertext()) in same:
            places.append(tuple(float(element.get(axis)) for axis in "xy"))
    assert len(places) == 6
    apart = [abs(a[1] - b[1]) > 6 or abs(a[0] - b[0]) > 9 for i, a in enumerate(places) for b in places[:i]]
    assert all(apart)


def test_covariates_that_do_not_fit_are_refused():
    table = build.table(COURSES)
    mixed = build.covariates({"A": [1.0]}) + build.covariates({"A": [1.0]}, name="ONLS")
    with pytest.raises(InvalidInputError, match="one covariate, found VEGF, ONLS"):
        against_covariate_svg(table, mixed)
    with pytest.raises(InvalidInputError, match="found none"):
        against_covariate_svg(table, [])
    with pytest.raises(InvalidInputError, match="expected VEGF at a visit"):
        against_covariate_svg(table, build.covariates({"C": [1.0]}))
