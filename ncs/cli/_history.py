"""What people did to marks, and the runs of a visit, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncs.cli._frames import print_frame
from ncs.cli._options import OutputFormat, command
from ncs.cli._output import print_lines, print_table, table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["mark_words", "milliseconds", "print_history", "print_runs", "records", "study_words"]


def print_history(history: pd.DataFrame, output: OutputFormat, store: str) -> None:
    """Print every edit and every withdrawal, oldest first."""
    if output is not OutputFormat.TABLE:
        print_frame(history, output, "history")
        return
    if history.empty:
        print_lines("Nobody has moved a mark here.", f"How to: {command('edit', '--help', store=store)}")
        return
    columns = [("edit", "right"), ("UTC", "left"), ("visit", "left"), ("study", "left"), ("site", "left")]
    columns += [("mark", "left"), ("from\nms", "right"), ("to\nms", "right"), ("by", "left"), ("why", "left")]
    columns += [("state", "left")]
    rows = [
        [
            str(row["edit"]),
            f"{row['created_utc']:%Y-%m-%d %H:%M}",
            f"{row['subject']} {row['date']}",
            study_words(row),
            row["site"] or "?",
            mark_words(row),
            milliseconds(row["value_before"]),
            milliseconds(row["value"]),
            row["author"],
            row["reason"],
            _state(row),
        ]
        for row in records(history)
    ]
    print_table(table(columns, rows))


def print_runs(runs: pd.DataFrame, output: OutputFormat, store: str) -> None:
    """Print every run of a visit, the current ones marked."""
    if output is not OutputFormat.TABLE:
        print_frame(runs, output, "runs")
        return
    columns = [("run", "right"), ("file", "left"), ("analysed, UTC", "left"), ("ncs", "left"), ("onset", "left")]
    columns += [("marks by hand", "right"), ("numbers", "right"), ("current", "left")]
    found = records(runs)
    rows = [
        [
            str(row["run"]),
            _files(row),
            f"{row['created_utc']:%Y-%m-%d %H:%M:%S}",
            row["version"],
            row["onset_method"] or "?",
            _by_hand(row),
            str(row["measurements"]),
            "yes" if row["current"] else "",
        ]
        for row in found
    ]
    print_table(table(columns, rows))
    first = found[0]
    words = ("show", str(first["subject"]), str(first["date"]), "--run", str(first["run"]))
    print_lines("", f"One of them in full: {command(*words, store=store)}")


def records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows of a frame; what is absent is ``None``."""
    return frame.astype(object).where(frame.notna(), None).to_dict(orient="records")


def _files(row: dict[Any, Any]) -> str:
    name = row["source"] or "(no file)"
    return f"{name} and {row['files'] - 1} more" if row["files"] > 1 else str(name)


def _by_hand(row: dict[Any, Any]) -> str:
    return f"{row['edits']} (on run {row['base_run']})" if row["base_run"] is not None else ""


def study_words(row: dict[Any, Any]) -> str:
    """Return what a person calls the study of an edit."""
    return " ".join(str(row[name] or "?") for name in ("side", "nerve", "technique"))


def mark_words(row: dict[Any, Any]) -> str:
    """Return what a person calls the mark of an edit."""
    from ncs.measure._edits import MARK_WORDS

    words = MARK_WORDS.get(row["mark"], row["mark"])
    words = f"{row['response']} {words}" if row["response"] else words
    return words if row["sweep"] is None else f"{words}, sweep {row['sweep'] + 1}"


def milliseconds(value: float | None) -> str:
    """Return where a mark is."""
    return "none" if value is None else f"{value:.2f}"


def _state(row: dict[Any, Any]) -> str:
    if row["withdraws"] is not None:
        return f"withdraws {row['withdraws']}"
    if row["withdrawn_by"] is not None:
        return f"withdrawn by {row['withdrawn_by']}"
    if not row["in_force"]:
        return "replaced by a later one"
    return "in force" if row["applied"] else "in force, but no current run has this recording"
