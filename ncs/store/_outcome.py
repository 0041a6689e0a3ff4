"""What became of a result that was to be saved."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SaveOutcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveOutcome:
    """What became of a result that was to be saved.

    Parameters
    ----------
    run
        Number of the run in the store.
    saved
        False when the same content, analysed the same way, was stored already.
    superseded
        Runs that were current until now.
    same_name
        Current runs of the visit whose file has the same name and another content: perhaps an older export, perhaps
        not, so both count until one is withdrawn.
    edited
        The run with the marks that a person moved, which is current in the place of this one; ``None`` where there are
        none.
    lost_edits
        Edits of this content that find no place in this run: the recording, as it was read now, is another one.
    """

    run: int
    saved: bool
    superseded: tuple[int, ...] = ()
    same_name: tuple[int, ...] = ()
    edited: int | None = None
    lost_edits: tuple[int, ...] = ()

    def __str__(self) -> str:
        return "saved" if self.saved else "already stored"
