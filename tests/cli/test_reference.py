"""``ncs reference make``: what it prints, what it refuses, and that ``ncs check`` reads what it makes."""

import json

import pytest

import ncs as package
from ncs import regression

EDIT = ("--nerve", "median", "--technique", "motor", "--site", "wrist", "--mark", "onset", "--value", "3.2",
        "--author", "Dr. Somebody", "--reason", "Mr. Patient had moved")  # fmt: skip


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_make_and_check(stored, tmp_path):
    assert stored("edit", "P1", "2021-03-01", *EDIT).status == 0
    done = stored("reference", "make", "lab")
    assert done.status == 0, done.err
    assert done.err == ""
    rows = [line.split() for line in done.out.splitlines() if line.startswith("P")]
    assert rows == [
        ["P1", "2021-03-01", "S01_V1", "2", "1"], ["P1", "2021-09-06", "S01_V2", "2", "0"],
        ["P2", "2021-05-03", "S02_V1", "2", "0"],
    ]  # fmt: skip
    assert "Texts that are in the set: APB, elbow, finger II, median, wrist." in done.out
    assert done.out.endswith("Check it: ncs check lab\n")
    assert len(regression.recordings(tmp_path / "lab")) == 6
    content = b"".join(path.read_bytes() for path in (tmp_path / "lab").iterdir())
    for secret in (b"P1", b"P2", b"Somebody", b"Patient", b"2021-", b"-MAR-"):
        assert secret not in content
    checked = stored("check", "lab", "--json")
    assert checked.status == 0
    document = json.loads(checked.out)
    assert (document["breaches"], document["moved"], len(document["recordings"])) == (0, 0, 6)


def test_a_move_is_shown_beside_the_persons_mark(stored, tmp_path):
    assert stored("edit", "P1", "2021-03-01", *EDIT).status == 0
    assert stored("reference", "make", "lab", "P1", "2021-03-01").status == 0
    path = tmp_path / "lab" / f"S01_V1_right_median_motor_APB{regression.EXPECTED}"
    document = json.loads(path.read_text())
    row = next(row for row in document["measurements"] if row["quantity"] == "motor_latency")
    row["value"] += 1.0
    path.write_text(json.dumps(document))
    done = stored("check", "lab")
    assert done.status == 1
    (line,) = [line.split() for line in done.out.splitlines() if "motor_latency" in line]
    assert line[-4:] == ["-1", "0.02", "3.2", "BREACH"]


def test_only_some_visits(stored, tmp_path):
    done = stored("reference", "make", "some", "P1", "2021-09-06", "P2")
    assert done.status == 0, done.err
    assert [line.split()[:3] for line in done.out.splitlines() if line.startswith("P")] == [
        ["P1", "2021-09-06", "S01_V1"], ["P2", "2021-05-03", "S02_V1"],
    ]  # fmt: skip
    both = stored("reference", "make", "both", "P1", "2021-03-01", "2021-09-06")
    assert [line.split()[2] for line in both.out.splitlines() if line.startswith("P1")] == ["S01_V1", "S01_V2"]


def test_what_there_is_not_is_named_and_the_rest_is_made(stored, tmp_path):
    done = stored("reference", "make", "some", "P9", "P1", "2021-03-02", "P2")
    assert done.status == 1
    assert "P9: not written\n  subject: expected one of the store, found none called 'P9'" in done.err
    assert "P1, 2021-03-02: not written\n" in done.err
    assert "found visits on 2021-03-01, 2021-09-06" in done.err
    assert regression.check(tmp_path / "some").n_breaches == 0
    nothing = stored("reference", "make", "nothing", "P9")
    assert (nothing.status, nothing.out) == (1, "")
    assert nothing.err.endswith("Nothing was written.\n")
    assert not (tmp_path / "nothing").exists()


def test_what_a_recording_alone_does_not_give_is_said(ncs, exports):
    assert ncs("analyze", exports, "--correct-temperature", "34").status == 0
    done = ncs("reference", "make", "lab")
    assert done.status == 0
    assert "P1, 2021-03-01, right median, motor: not in the set, where a recording is analysed by itself" in done.err
    assert "motor_conduction_velocity_temperature_corrected (wrist-elbow)" in done.err
    assert ncs("check", "lab").status == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["make", "lab", "2021-03-01"], "expected SUBJECT before DATE, found 2021-03-01 first"),
        (["make"], "DEST"),
        (["unmake", "lab"], "'unmake'"),
        (["make", "lab", "--store", "absent.db"], "found no file"),
        (["make", "."], "a new or an empty folder, found one that holds ncs.db"),
    ],
)
def test_what_cannot_be_done_is_said(stored, tmp_path, words, text):
    before = names(tmp_path)
    done = stored("reference", *words)
    assert (done.status, done.out) == (2, "")
    assert text.lower() in " ".join(done.err.lower().split())
    assert names(tmp_path) == before


def test_a_set_is_never_replaced(stored, tmp_path):
    assert stored("reference", "make", "lab").status == 0
    done = stored("reference", "make", "lab")
    assert done.status == 2
    assert "found one that holds a reference set already" in done.err
    assert "`ncs check lab` checks it" in done.err
    assert "name a new folder" in done.err


def test_an_empty_store_says_how_to_fill_it(ncs):
    assert ncs("analyze", "x").status == 1  # makes the store
    done = ncs("reference", "make", "lab")
    assert done.status == 1
    assert "ncs.db holds no recordings yet. Add some: ncs analyze exports/" in done.err
    with package.open_store("ncs.db") as store:
        store.add_covariates("P1", "2021-03-01", {"ONLS": 4.0}, source="scores.csv")
    assert "holds no recordings yet" in ncs("reference", "make", "lab").err
