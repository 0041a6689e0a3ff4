"""What all figures share: one style, one way out to SVG, and round numbers for scales.

Text stays text, so that it can be searched; ids carry a prefix, so that many figures fit into one page; nothing in the
file depends on the day, the machine or the user's own settings of matplotlib.
"""

from __future__ import annotations

import io
import math
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ncs.report.numbers import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml import etree
    from matplotlib.figure import Figure

__all__ = ["BOLD", "FAINT", "GRID", "INK", "PAGE_WIDTH_IN", "drawing", "round_step", "shortened", "to_svg"]

PAGE_WIDTH_IN: Final = 7.0
"""Fits between the margins of an A4 page."""
INK: Final = "black"
FAINT: Final = "0.62"
GRID: Final = "0.85"
BOLD: Final = "bold"
_SVG: Final = "{http://www.w3.org/2000/svg}"
_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_STYLE: Final = {
    "axes.linewidth": 0.6,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "lines.solid_capstyle": "butt",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "ncs",
    "text.parse_math": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the one style, whatever the user has set for other figures."""
    from matplotlib import style

    with style.context(["default", _STYLE]), warnings.catch_warnings():
        # the viewer's fonts draw the text, so a letter that matplotlib's own font lacks is no fault
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def to_svg(figure: Figure, *, ident: str, title: str) -> str:
    """Return a figure as the text of an SVG element that may stand alone or inside a page.

    Parameters
    ----------
    ident
        Prefix of every id in it; different for every figure of one page.
    title
        What it shows, for those who cannot see it.
    """
    from lxml import etree

    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    root = etree.fromstring(buffer.getvalue(), etree.XMLParser(resolve_entities=False, remove_comments=True))
    for unwanted in [*root.iter(f"{_SVG}metadata"), *root.iter(f"{_SVG}style")]:
        parent = unwanted.getparent()
        if parent is not None:
            parent.remove(unwanted)
    _prefix_ids(root, ident)
    root.set("id", ident)
    root.set("role", "img")
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    named = etree.Element(f"{_SVG}title")
    named.text = clean(title)
    root.insert(0, named)
    return etree.tostring(root, encoding="unicode") + "\n"


def _prefix_ids(root: etree._Element, ident: str) -> None:
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, f"{ident}-{value}")
            elif name == _HREF and value.startswith("#"):
                element.set(name, f"#{ident}-{value[1:]}")
            elif "url(#" in value:
                element.set(name, value.replace("url(#", f"url(#{ident}-"))


def round_step(at_least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is not below a number.

    >>> [round_step(x) for x in (0.9, 1.0, 1.1, 2.5, 70.0)]
    [1.0, 1.0, 2.0, 5.0, 100.0]
    """
    power = 10.0 ** math.floor(math.log10(at_least))
    for step in (1.0, 2.0, 5.0):
        if step * power >= at_least * (1 - 1e-9):
            return step * power
    return 10.0 * power


def shortened(text: object, most: int) -> str:
    """Return text that may come from a file, clean and no longer than its place; the cut shows.

    >>> shortened("extensor digitorum", 10)
    'extensor …'
    """
    words = clean(text)
    return words if len(words) <= most else f"{words[: most - 1]}…"
