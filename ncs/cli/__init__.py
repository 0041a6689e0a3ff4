"""The command line. A verb is one thin module here and one line in ``_VERBS``; the work is done elsewhere.

Verb modules import typer and the standard library only; everything heavy waits inside their functions, so that
``ncs --help`` stays quick.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ncs import __version__
from ncs.cli import (
    analyze,
    change,
    check,
    covariates,
    demo,
    edit,
    export,
    formats,
    reference,
    repeatability,
    report,
    show,
    simulate,
)
from ncs.cli._output import clean, print_error
from ncs.errors import NcsError, NcsWarning

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app", "main"]

_VERBS: dict[str, Callable[..., None]] = {
    "analyze": analyze.run,
    "covariates": covariates.run,
    "change": change.run,
    "repeatability": repeatability.run,
    "show": show.run,
    "edit": edit.run,
    "report": report.run,
    "export": export.run,
    "formats": formats.run,
    "check": check.run,
    "reference": reference.run,
    "simulate": simulate.run,
    "demo": demo.run,
}
_EPILOG = "Tables go to stdout, progress and warnings to stderr. Exit status: 0 all done, 1 some inputs failed, 2 the \
command could not be carried out. `ncs VERB --help` shows an example of every verb. Start with: ncs demo"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

app = typer.Typer(
    name="ncs",
    help="Nerve conduction studies: read what EMG machines export, mark, measure, keep, compare.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _run in _VERBS.items():
    app.command(_name)(_run)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ncs {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    del version


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning of ours as a sentence, any other as Python does, with the place in the code."""
    if issubclass(category, NcsWarning):
        print_error(f"warning: {clean(message)}")
    else:
        (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


def _close_stdout() -> None:
    """Forget what stdout still holds: Python must not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line; the entry point of the console script ``ncs``."""
    warnings.showwarning = _show_warning
    try:
        try:
            app(prog_name="ncs")
        finally:
            sys.stdout.flush()  # what cannot be written is said below, not by Python at exit
    except NcsError as error:
        from ncs.cli._errors import report_failure

        report_failure(error)
        sys.exit(2)
    except BrokenPipeError:
        # the reader of our output has gone, as in `ncs show | head`; Python must not complain at exit
        _close_stdout()
        sys.exit(0)
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _close_stdout()
        found = (error.strerror or str(error)).lower()
        print_error(f"ncs: the output cannot be written: {found}. Free some space, or send the output elsewhere.")
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)
        sys.exit(130)
