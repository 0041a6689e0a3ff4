"""``ncs report``: a page in a file or on stdout, and errors that say what to do."""

from lxml import html


def test_a_visit_becomes_a_page(stored, tmp_path):
    done = stored("report", "P1", "2021-03-01", "-o", "visit.html")
    assert (done.status, done.out) == (0, "")
    assert done.err == "visit.html: written.\n"
    page = (tmp_path / "visit.html").read_bytes()
    assert b"\r" not in page
    root = html.document_fromstring(page)
    assert root.xpath("string(//title)") == "P1, 2021-03-01: nerve conduction study"
    assert len(root.xpath("//figure/svg")) == 2
    files = root.xpath("//section[@id='provenance']//tbody/tr/td[1]/text()")
    assert files[:2] == ["P1_2021-03-01_motor.edf", "P1_2021-03-01_sensory.edf"]


def test_the_page_repeats_and_goes_to_stdout(stored, tmp_path):
    assert stored("report", "P1", "2021-09-06", "-o", "a.html").status == 0
    assert stored("report", "P1", "2021-09-06", "--output", "b.html").status == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert (tmp_path / "b.html").read_text(encoding="utf-8") == page
    done = stored("report", "P1", "2021-09-06", "-o", "-")
    assert (done.status, done.out, done.err) == (0, page, "")


def test_numbers_are_those_of_show(stored):
    table = stored("show", "P1", "2021-03-01").out
    page = html.document_fromstring(stored("report", "P1", "2021-03-01", "-o", "-").out)
    text = page.text_content()
    velocity = next(line for line in table.splitlines() if "wrist-elbow" in line and "220" in line)
    for number in (word for word in velocity.split() if word.replace(".", "").isdigit()):
        assert number in text


def test_what_cannot_be_done_is_said(stored, tmp_path):
    (tmp_path / "taken").mkdir()
    for words, text in [
        (["P7", "2021-03-01", "-o", "x.html"], "List the visits: ncs show"),
        (["P1", "2021-01-01", "-o", "x.html"], "found visits on 2021-03-01, 2021-09-06"),
        (["P1", "yesterday", "-o", "x.html"], "expected a date as YYYY-MM-DD, found 'yesterday'"),
        (["P1", "2021-03-01"], "--output"),
        (["P1", "2021-03-01", "-o", "absent/x.html"], "Make the folder absent first."),
        (["P1", "2021-03-01", "-o", "taken"], "expected a file that can be written".capitalize()),
        (["P1", "2021-03-01", "-o", "x.html", "--store", "other.db"], "other.db"),
    ]:
        done = stored("report", *words)
        assert done.status == 2, words
        assert text in done.err, (words, done.err)
        assert not (tmp_path / "x.html").exists()
