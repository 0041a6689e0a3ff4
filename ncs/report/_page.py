"""What all pages share: templates with everything escaped, figures as parts of the page, and the files behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from ncs import __version__
from ncs.report.numbers import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2
    from markupsafe import Markup

    from ncs.model import SourceFile

__all__ = ["FileEntry", "PageFigure", "file_entries", "page", "page_figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFigure:
    """A figure in a page; ``svg`` is markup that the figure modules made, everything else is text."""

    title: str
    svg: Markup
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file behind the numbers, with its digest, and those of the sidecar and the protocol it was read with."""

    name: str
    format: str
    size: str
    digests: tuple[tuple[str, str], ...]


def page_figure(svg: str, *, title: str = "", caption: str = "") -> PageFigure:
    """Return a figure for a page. ``svg`` has to come from the figure modules, which escape what they write."""
    from markupsafe import Markup

    return PageFigure(title=title, svg=Markup(svg), caption=caption)  # noqa: S704 - written by ncs, escaped by lxml


def file_entries(sources: Iterable[SourceFile]) -> list[FileEntry]:
    """Return the files behind the numbers, each once, in the order of their names."""
    entries = []
    for source in sorted(set(sources), key=lambda source: (source.name, source.sha256)):
        digests = (("", source.sha256), ("sidecar", source.sidecar_sha256), ("protocol", source.protocol_sha256))
        entries.append(
            FileEntry(
                name=source.name,
                format=source.format,
                size=f"{source.size_bytes:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
                digests=tuple((label, digest) for label, digest in digests if digest),
            )
        )
    return entries


def page(template: str, *, title: str, notice: str, **content: Any) -> str:
    """Return a page as the text of one HTML file that needs nothing beside it; a notice stands above everything."""
    made = _templates().get_template(template)
    return made.render(title=clean(title), notice=clean(notice), version=__version__, **content)


@cache
def _templates() -> jinja2.Environment:
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("ncs.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["clean"] = clean
    return made
