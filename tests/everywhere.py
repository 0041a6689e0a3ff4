"""One walk through the verbs, written down: what it gives must not depend on where and how it is run."""

import contextlib
import io
import json
import locale
import re
import sys
import warnings
from pathlib import Path

from ncs import cli

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z| UTC)?")


def typed(*words):
    """Type a command; return its exit status and what it printed on stdout."""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["ncs", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
            cli.main()
    except SystemExit as leaving:
        status = leaving.code or 0
    else:
        status = 0
    finally:
        sys.argv = before
    return status, out.getvalue(), err.getvalue()


def walk(exports, protocol, dest):
    """Analyse a folder, then show, report, compare and export; return every text that came of it by its name."""
    dest.mkdir(parents=True)
    store = ("--store", dest / "Ergebnisse.db")
    done = {"analyze": typed("analyze", exports, "--protocol", protocol, "--jobs", 1, "--json", *store)}
    visits = {(visit["subject"], visit["date"]) for visit in json.loads(done["analyze"][1])["visits"]}
    subject, date = min(visits)
    done["show"] = typed("show", subject, date, "--format", "csv", *store)
    done["table"] = typed("show", subject, date, *store)
    done["report"] = typed("report", subject, date, "-o", dest / "visit.html", *store)
    of = ("--nerve", "median", "--quantity", "motor_conduction_velocity")
    done["change"] = typed("change", *of, "--html", dest / "change.html", *store)
    done["csv"] = typed("export", "--to", "csv", dest / "tables", *store)
    done["edf"] = typed("export", "--to", "edf", dest / "edf", *store)
    texts = {verb: f"{status}\n{out}" for verb, (status, out, _) in done.items()}
    texts["csv"] = " ".join(texts["csv"].split()).replace("─", "")  # its columns are as wide as the path
    failed = {verb: err for verb, (status, _, err) in done.items() if status}
    assert not failed, failed
    for path in sorted(dest.rglob("*")):
        if path.is_file() and path.suffix != ".db":
            encoding = "latin-1" if path.suffix == ".edf" else "utf-8"
            texts[str(path.relative_to(dest))] = path.read_text(encoding=encoding)
    places = {dest: "DEST", exports: "EXPORTS", protocol: "PROTOCOL"}
    return {name: _without(text, places) for name, text in texts.items()}


def _without(text, places):
    """The text without what is of this run: places and moments."""
    for path, word in places.items():
        text = text.replace(json.dumps(str(path))[1:-1], word).replace(str(path), word)
    return _MOMENT.sub("MOMENT", text)


if __name__ == "__main__":
    locale.setlocale(locale.LC_ALL, "")
    if locale.localeconv()["decimal_point"] != ",":
        sys.exit("the decimal mark is no comma here")
    found = walk(*map(Path, sys.argv[1:4]))
    Path(sys.argv[4]).write_text(json.dumps(found), encoding="utf-8")
