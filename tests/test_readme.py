"""Everything the README shows is run, in the order it stands there, in an empty folder.

``console`` blocks: the lines after ``$`` are run, what follows is their output. A ``text`` block is what the ``python``
block before it prints. A comment ``<!-- file: NAME -->`` before a ``json`` block writes it to a file, and
``<!-- needs: RECORDING as NAME -->`` runs a block only where the real recordings are. Output is compared word by word;
numbers may differ a little, and … stands for any words.
"""

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- (?P<note>.*?) -->\n)?```(?P<kind>\w+)\n(?P<body>.*?)```\n", re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def blocks():
    return [(m["kind"], m["note"] or "", m["body"]) for m in BLOCK.finditer(README)]


def words_agree(expected, found):
    """Whether two words are the same but for small differences of the numbers in them."""
    if NUMBER.split(expected) != NUMBER.split(found):
        return False
    pairs = zip(NUMBER.findall(expected), NUMBER.findall(found), strict=True)
    return all(abs(float(a) - float(b)) <= 0.05 + 0.02 * abs(float(a)) for a, b in pairs)


def starts_like(expected, found):
    return len(found) >= len(expected) and all(map(words_agree, expected, found))


def agrees(expected, found):
    """Whether the words found are those expected, where … stands for any number of any words."""
    plain = [[word for word in text.split() if not set(word) <= set("─-+")] for text in (expected, found)]
    parts, words = [part.split() for part in " ".join(plain[0]).split("…")], plain[1]
    position = 0
    for number, part in enumerate(parts):
        while number > 0 and position <= len(words) and not starts_like(part, words[position:]):
            position += 1
        if not starts_like(part, words[position:]):
            return False
        position += len(part)
    return position == len(words) or parts[-1] == []


def test_the_comparison_is_loose_but_not_blind():
    assert agrees("a 1.00 b", "a  1.01\nb")
    assert agrees("a … c", "a b b c")
    assert agrees("a …", "a")
    assert agrees("in … s.", "in 2.3 s.")
    assert not agrees("a 1.00 b", "a 1.20 b")
    assert not agrees("a … c", "a b")
    assert not agrees("a", "a b")
    assert not agrees("a b", "a")


def commands(body):
    """Return pairs of command and expected output."""
    parts = re.split(r"^\$ ", body, flags=re.MULTILINE)
    assert parts[0] == "", "a console block begins with a command"
    return [tuple(part.split("\n", 1)) for part in parts[1:]]


def run_command(command, folder):
    target = command.removeprefix("make ")
    if target != command:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"the Makefile has no target {target}"
        if target != "demo":
            return None
        assert "ncs demo $(DEMO)" in makefile
        command = "ncs demo demo"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, text=True, encoding="utf-8", timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stdout
    return done.stdout


class Reader:
    """Does what the README says."""

    def __init__(self, folder):
        self.folder = folder
        self.names = {}
        self.printed = None

    def console(self, body):
        for command, expected in commands(body):
            found = run_command(command, self.folder)
            assert found is None or agrees(expected, found), f"$ {command}\n{found}\nis not\n{expected}"

    def python(self, body):
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(compile(body, "README.md", "exec"), self.names)
        self.printed = printed.getvalue()

    def text(self, body):
        assert self.printed is not None
        assert agrees(body, self.printed), f"{self.printed}\nis not\n{body}"

    def json(self, body):
        json.loads(body)


def test_the_readme_does_what_it_says(tmp_path):
    reader = Reader(tmp_path)
    for kind, note, body in blocks():
        if note.startswith("file: "):
            (tmp_path / note.removeprefix("file: ")).write_text(body, encoding="utf-8")
        elif note.startswith("needs: "):
            continue
        if kind != "sh":
            getattr(reader, kind)(body)


def test_the_real_recording_of_the_readme(tmp_path, recordings):
    reader = Reader(tmp_path)
    reader.names["ncs"] = __import__("ncs")
    ran = 0
    for kind, note, body in blocks():
        if note == "file: soleus.ncs.json":
            (tmp_path / "soleus.ncs.json").write_text(body, encoding="utf-8")
        elif note.startswith("needs: "):
            source, name = note.removeprefix("needs: ").split(" as ")
            shutil.copy(recordings / source, tmp_path / name)
            getattr(reader, kind)(body)
            ran += 1
    assert ran == 2
    assert reader.printed.endswith("of 41\n")


def test_what_is_not_run_is_only_the_installation():
    unrun = [line for kind, _, body in blocks() if kind == "sh" for line in body.splitlines()]
    assert unrun
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for line in unrun:
        assert line.startswith("python -m pip install")
        assert set(",".join(re.findall(r"\[(.*?)\]", line)).split(",")) <= set(extras)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/usage.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in link:
            assert (ROOT / name).parent.joinpath(link).exists(), link
