"""``ncs analyze`` as a user types it."""

import json

import numpy as np

SIDECAR = {
    "ncs_sidecar": 1, "subject": "P9", "date": "2022-01-10", "nerve": "median", "side": "left", "technique": "motor",
    "recording_site": "APB", "unit": "uV", "polarity": "true", "sampling_rate_hz": 20000, "stimulus_ms": 2,
    "traces": [{"select": {"sweeps": [1]}, "stimulation_site": "wrist"}],
}  # fmt: skip


def write_text(folder, name="one.csv", **changes):
    from ncs import simulate

    study, _ = simulate.motor_study(seed=3)
    np.savetxt(folder / name, study.traces[0].samples_uv.T, fmt="%.3f", delimiter=",")
    sidecar = folder / f"{name.split('.', maxsplit=1)[0]}.ncs.json"
    sidecar.write_text(json.dumps(SIDECAR | changes), encoding="utf-8")
    return folder / name


def test_one_visit_is_printed_in_full(ncs, exports):
    done = ncs("analyze", exports / "P1_2021-03-01_motor.edf", exports / "P1_2021-03-01_sensory.edf")
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0] == "P1, 2021-03-01"
    wrist = next(line for line in lines if "APB-wrist" in line)
    elbow = next(line for line in lines if "wrist-elbow" in line)
    assert wrist.startswith("right median  APB     wrist")
    assert 55.0 < float(elbow.split()[-2]) < 57.0  # simulated with 56 m/s
    assert elbow.split()[-1].startswith("±")
    assert "finger II-wrist" in done.out
    assert "skin temperature  33.0 °C" in done.out
    assert "P1_2021-03-01_motor.edf, P1_2021-03-01_sensory.edf" in done.out
    assert "2 analysed, 0 already stored, 0 failed" in done.err


def test_again_is_nothing_new(stored, exports):
    done = stored("analyze", exports)
    assert (done.status, done.out) == (0, "")
    assert "0 analysed, 6 already stored" in done.err
    assert "ncs show" in done.err


def test_many_visits_are_a_list_with_the_way_on(ncs, exports, tmp_path):
    write_text(tmp_path)
    done = ncs("analyze", exports, "one.csv", "--store", "a b.db")
    assert done.status == 0
    assert [line.split()[:2] for line in done.out.splitlines() if line.startswith("P")] == [
        ["P1", "2021-03-01"], ["P1", "2021-09-06"], ["P2", "2021-05-03"], ["P9", "2022-01-10"],
    ]  # fmt: skip
    assert "ncs show P1 2021-03-01 --store 'a b.db'" in done.out


def test_failures_are_named_with_everything_that_is_wrong(ncs, exports, tmp_path):
    (tmp_path / "empty.edf").touch()
    (tmp_path / "numbers.csv").write_text("1\n2\n3\n" * 10)
    good = exports / "P2_2021-05-03_motor.edf"
    done = ncs("analyze", "empty.edf", good, "numbers.csv", "absent.edf")
    assert done.status == 1
    assert "P2, 2021-05-03" in done.out
    blocks = done.err.split("failed: ")[1:]
    assert blocks[0].startswith("empty.edf\n  format: expected a known format, found an empty file.\n")
    assert blocks[1].startswith("numbers.csv\n")
    assert {"unit:", "sampling_rate_hz:", "polarity:", "stimulus_ms:"} <= set(blocks[1].split())
    assert "numbers.ncs.json" in blocks[1]
    assert blocks[2].startswith("absent.edf\n  Expected a readable file, found no such file")
    assert "1 analysed, 0 already stored, 3 failed" in blocks[2]


def test_a_folder_without_recordings_is_no_success(ncs, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.doc").write_text("Dear colleague, thank you for the referral.")
    done = ncs("analyze", "letters")
    assert done.status == 1
    assert "No recordings were found (other files, left alone: 1)" in done.err


def test_json_is_one_document(ncs, exports, tmp_path):
    (tmp_path / "empty.edf").touch()
    names = [exports / f"P1_2021-09-06_{kind}.edf" for kind in ("motor", "sensory")]
    done = ncs("analyze", *names, "empty.edf", "--json")
    assert done.status == 1
    found = json.loads(done.out)
    assert (found["analysed"], found["already_stored"], found["interrupted"]) == (2, 0, False)
    (visit,) = found["visits"]
    assert (visit["subject"], visit["date"]) == ("P1", "2021-09-06")
    rows = [row for result in visit["results"] for row in result["measurements"]]
    (velocity,) = [row for row in rows if row["quantity"] == "motor_conduction_velocity"]
    assert velocity["unit"] == "m/s"
    assert 54 < velocity["value"] < 58
    (amplitude,) = [row for row in rows if row["quantity"] == "snap_amplitude"]
    assert (amplitude["value"], amplitude["reason"]) == (None, "no_response")
    assert amplitude["reason_text"] == "no response above the noise"
    (failure,) = found["failures"]
    assert failure["file"] == "empty.edf"
    assert set(failure["problems"][0]) == {"file", "place", "field", "expected", "found", "hint"}
    assert found["ncs_version"]


def test_a_missing_number_says_why(ncs, tmp_path):
    done = ncs("analyze", write_text(tmp_path))
    assert done.status == 0
    assert "left median" in done.out
    assert "only one stimulation site" in done.out
    assert "not stated" in done.out  # skin temperature and filters


def test_distances_from_the_protocol_are_marked(ncs, tmp_path):
    lab = tmp_path / "lab.toml"
    lab.write_text(
        'ncs_protocol = 1\n[[studies]]\nnerve = "median"\ntechnique = "motor"\nsites = ["wrist"]\n'
        "distances_mm = {wrist = 70}\n"
    )
    done = ncs("analyze", write_text(tmp_path), "--protocol", "lab.toml")
    assert done.status == 0
    assert "APB-wrist" in done.out
    assert "distance from the protocol, not measured at this visit" in done.out


def test_subject_can_be_given_but_not_contradicted(ncs, exports, tmp_path):
    sidecar = {key: value for key, value in SIDECAR.items() if key != "subject"}
    path = write_text(tmp_path)
    (tmp_path / "one.ncs.json").write_text(json.dumps(sidecar))
    refused = ncs("analyze", path)
    assert refused.status == 1
    assert "subject" in refused.err
    assert ncs("analyze", path, "--subject", "P5").out.startswith("P5, 2022-01-10")
    contradicted = ncs("analyze", exports / "P1_2021-03-01_motor.edf", "--subject", "P5")
    assert contradicted.status == 1
    assert "expected 'P5' (the argument), found 'P1'" in contradicted.err


def test_names_of_files_cannot_command_the_terminal(ncs, tmp_path):
    path = write_text(tmp_path, subject="[red]P\u202e9[/red]", recording_site="A[bold]PB")
    done = ncs("analyze", path)
    assert done.status == 0, done.err
    assert done.out.startswith("[red]P 9[/red], 2022-01-10")
    assert "A[bold]PB" in done.out
    bad = tmp_path / "evil\x1b[2J.edf"
    bad.touch()
    done = ncs("analyze", bad.name)
    assert done.status == 1
    assert "\x1b" not in done.err
    assert "evil [2J.edf" in done.err


def test_a_stopped_batch_says_how_to_go_on(ncs, exports, monkeypatch):
    from dataclasses import replace

    from ncs import batch

    whole = batch.analyze_files

    def stopped(paths, **options):
        return replace(whole(paths, **options), interrupted=True)

    monkeypatch.setattr(batch, "analyze_files", stopped)
    done = ncs("analyze", exports / "P2_2021-05-03_motor.edf")
    assert done.status == 130
    assert "P2, 2021-05-03" in done.out
    assert "type the same command again to go on" in done.err


def test_bad_usage_is_told_before_anything_happens(ncs, exports, tmp_path):
    for words, text in [
        (["analyze"], "Missing argument"),
        (["analyze", exports, "--jobs", "0"], "--jobs"),
        (["analyze", exports, "--onset-method", "magic"], "expected one of changepoint"),
        (["analyze", exports, "--protocol", "absent.toml"], "absent.toml"),
        (["analyze", exports, "--store", "absent/ncs.db"], "Make that folder first"),
        (["analyze", exports, "--store", "mysql://lab"], "store"),
        (["analyse", exports], "analyse"),
    ]:
        done = ncs(*words)
        assert done.status == 2, words
        assert done.out == ""
        assert text in done.err, words
