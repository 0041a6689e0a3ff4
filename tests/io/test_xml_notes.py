"""XML notes say the same whether they are read in parts or in one piece."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ncs.io._xml_notes import read_whole, read_xml

KNOWN = [
    "<averaged>10</averaged>", "<channel> APB </channel>", "<comment>a  b</comment>", "<label/>",
    '<covariate name="weight" type="number">70.5</covariate>', '<covariate name="hand">left</covariate>',
    '<distance mode="stimulus to recording" unit="mm">65.0</distance>', '<duration unit="ms">0.2</duration>',
    '<distance mode="between sites" unit="cm">6</distance>', '<intensity mode="current" unit="mA">8.2</intensity>',
    '<latency unit="ms">3.1</latency>', '<amplitude mode="peak" unit="uV">12</amplitude>', "<nerve>Median</nerve>",
    '<segment distal="wrist" proximal="elbow" unit="mm">210</segment>', "<recording>APB</recording>",
    '<temperature unit="degree C" position="palm">33</temperature>', "<position>right wrist</position>",
    "<side>left</side>", "<stimulus>x</stimulus>", "<study>x</study>", "<x>y</x>",
]  # fmt: skip
TAGS = [
    "comment", "distance", "intensity", "measurements", "ncs_leaf", "position", "side", "stimulator", "Stimulus",
    "StimA", "Stimulus_right_wrist", "Study", "sweeps", "temperature", "x", "x:side", "xml:side", "\u017ftimulus",
]  # fmt: skip
ATTRIBUTES = [
    "", "", "", ' unit="mm"', " unit='m/s'", ' unit="mm" unit="mm"', ' a="x>y"', ' xmlns="urn:a"', ' xmlns:x="urn:b"',
    ' x:unit="mm"', " unit", ' a="&lt;"', ' xml:id="i"',
]  # fmt: skip
TEXTS = [
    "", "0.2", "-1", "right wrist", "left", " a  b ", "a &amp; b", "&unknown;", "&#65;", "]]>", "\u00b5", "\0",
    "\ud800", "\r\n", ">", "0.2<!--c-->1", "<![CDATA[<b>]]>", "<?p q?>", "a<x/>b",
]  # fmt: skip
SCRAPS = [
    *TEXTS, "<", "</", "/>", '"', "<side>left</side>", "<!-- ", " -->", "<ncs_leaf/>", "</side>", "\ufeff", "x" * 90,
]  # fmt: skip


def element(tag, attributes, content):
    return f"<{tag}{attributes}>{content}</{tag}>"


ODD = st.one_of(
    st.builds(element, st.sampled_from(TAGS), st.sampled_from(ATTRIBUTES), st.sampled_from(TEXTS)),
    st.sampled_from(SCRAPS),
)
AROUND = ["Stimulus", "Stimulus", "StimA", "measurements", "Study", "x"]


@st.composite
def ordinary(draw):
    known = draw(st.permutations(KNOWN))[: draw(st.integers(0, 7))]
    first, end = sorted(draw(st.tuples(st.integers(0, len(known)), st.integers(0, len(known)))))
    inner = element(draw(st.sampled_from(AROUND)), "", "".join(known[first:end]))
    again = draw(st.sampled_from(["", "", *KNOWN]))
    return element("EDF_XMLnote", "", "".join([*known[:first], inner, *known[end:], again]))


@st.composite
def notes(draw):
    text = draw(ordinary())
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(ODD) + text[at + draw(st.integers(0, 3)) :]
    return text


@given(notes())
@example("<EDF_XMLnote/>")
@example("<position>left</position>")
@example("<ncs_leaf><side>left</side></ncs_leaf>")
@example("<a><ncs_leaf/></a>")
@example("<a b='<side>left</side>'/>")
@example("<a><side>left</side><side>right</side><StimA><StimB/></StimA><StimB><side>left</side></StimB></a>")
@example("<a><x>text<side>left</side></x><side>left</side>text<nerve>median</nerve></a>")
def test_in_parts_and_in_one_piece(text):
    assert repr(read_xml(text)) == repr(read_whole(text))


@pytest.mark.parametrize("length", [1999, 2000, 2001, 2100])
def test_long_notes(length):
    text = element("EDF_XMLnote", "", f"<side>left</side>{' ' * (length - 44)}")
    assert len(text) == length
    assert read_xml(text).side == "left"
    assert read_xml(text) == read_whole(text)
