"""What docs/check.md shows is run, block by block, beside a part of the reference set and a store of three visits."""

import datetime as dt
import json
import shutil
import tomllib

import ncs
from ncs import regression, simulate
from tests.test_readme import BLOCK, ROOT, Reader

REFERENCE = ROOT / "fixtures" / "reference"
TEXT = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
FEW = ("motor_clean", "sensory_clean")


def counted(folder):
    """Return the words that count what a set holds, without analysing it."""
    names = regression.recordings(folder)
    documents = [json.loads((folder / f"{name[:-4]}{regression.EXPECTED}").read_text()) for name in names]
    entries = sum(len(document["measurements"]) + len(document["marks"]) for document in documents)
    return f"{len(names)} recordings, {entries} numbers"


def prepare(folder):
    (folder / "fixtures" / "reference").mkdir(parents=True)
    for name in (*(f"{stem}{ending}" for stem in FEW for ending in (".edf", regression.EXPECTED)), "tolerances.json"):
        shutil.copy(REFERENCE / name, folder / "fixtures" / "reference")
    days = [("P07", dt.date(2021, 3, 1)), ("P07", dt.date(2021, 9, 6)), ("P12", dt.date(2021, 5, 3))]
    with ncs.open_store(folder / "lab.db") as store:
        for seed, (subject, day) in enumerate(days):
            store.save(ncs.analyze(simulate.visit(subject, day, seed=seed)[0]))
        where = {"nerve": "median", "technique": "motor", "site": "wrist"}
        store.edit_mark(*days[0], mark="onset", value=3.3, author="A. Author", reason="foot of the rise", **where)


def test_the_document_does_what_it_says(tmp_path):
    prepare(tmp_path)
    reader = Reader(tmp_path)
    whole = counted(REFERENCE)
    assert TEXT.count(whole) == 2
    text = TEXT.replace(whole, counted(tmp_path / "fixtures" / "reference"))  # all of it is checked by other tests
    kinds = []
    for block in BLOCK.finditer(text):
        kind, note, body = block["kind"], block["note"] or "", block["body"]
        if note.startswith("not run: "):
            continue
        kinds.append(kind)
        if kind == "toml":
            assert tomllib.loads(body)["tool"]["pytest"]["ini_options"]["ncs_reference"]
        elif kind == "sh":
            assert body == "python -m benchmarks.make_reference fixtures/reference\n"
        else:
            getattr(reader, kind)(body)
    assert kinds.count("console") == kinds.count("python") == kinds.count("text") == 3
