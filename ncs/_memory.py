"""Which files of a batch need no work: those whose result the store holds already, and those that would fail alike.

A file that nobody has touched is not even opened: its folder says so. What that rests on, and when it is not enough, is
decided here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ncs import __version__
from ncs.errors import NcsError
from ncs.io import _companions, _recording
from ncs.store._codec import storable
from ncs.store.failure import Failure
from ncs.store.seen import Recalled, Seen, SeenOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ncs._crew import How
    from ncs._finding import Item
    from ncs.store import Store
    from ncs.store._rows import Head

__all__ = ["Identity", "Memory", "Verdict", "fingerprint_of", "identify", "sha256_of"]

_ALWAYS_ALIKE = {
    "AmbiguousFormatError", "ConflictError", "ReadError", "SidecarError", "StoreError", "UnknownFormatError",
}  # fmt: skip
"""Errors that follow from the content and the way it is analysed. Others (a full memory, a missing package, a file that
may not be read) can end by themselves."""


class Identity(NamedTuple):
    """What a file is filed under; ``is_single`` unless it may belong to a recording of several files."""

    content_key: str
    fingerprint: str
    sidecar_sha256: str = ""
    is_single: bool = True


Verdict = Literal["work", "known", "ignored"] | Failure


def identify(path: str, how: How) -> Identity | None:
    """Return what a file would be filed under, ``None`` where a worker has to find out."""
    from ncs.io import find_sidecar, load_sidecar

    try:
        sidecar = find_sidecar(Path(path))
        sidecar_sha256 = _settings_sha256(load_sidecar(sidecar) if sidecar is not None else None)
        sha256 = sha256_of(path)
        if not sha256:
            return None
        with Path(path).open("rb") as file:
            head = file.read(_recording.HEAD_BYTES)
        hashes = [sha256, *(sha256_of(str(other)) for other in _companions.companions(Path(path), head))]
    except (OSError, NcsError):
        return None
    return Identity(
        content_key=_companions.content_hash_of(hashes),
        fingerprint=fingerprint_of(how, sidecar_sha256),
        sidecar_sha256=sidecar_sha256,
        is_single=not _companions.may_have_companions(Path(path), head),
    )


def fingerprint_of(how: How, sidecar_sha256: str) -> str:
    """Return the fingerprint of an analysis with a sidecar, empty for none."""
    from ncs.analysis import analysis_fingerprint

    return analysis_fingerprint(
        onset_method=how.onset_method,
        find_stimulus=how.find_stimulus,
        review=how.review,
        temperature_correction=how.temperature_correction,
        sidecar_sha256=sidecar_sha256,
        protocol_sha256=_settings_sha256(how.protocol),
    )


def _settings_sha256(settings: Any) -> str:
    if settings is None:
        return ""
    from ncs.io._settings import content_sha256  # pydantic, which not every batch needs

    return content_sha256(settings)


def sha256_of(path: str) -> str:
    """Return the SHA-256 of a file's content, empty where it is no regular file."""
    if not Path(path).is_file():  # a pipe would be waited for
        return ""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(slots=True, kw_only=True)
class _Doubt:
    """Files of a portion of which nothing is known yet, and what is to be done for the others."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    idle: set[tuple[str, str]] = field(default_factory=set)
    failed: list[Item] = field(default_factory=list)
    unknown: list[Item] = field(default_factory=list)


class Memory:
    """What a store knows about files, and what it is to remember of them."""

    def __init__(
        self,
        store: Store,
        how: How,
        *,
        key: Callable[[str, How], Identity | None] = identify,
        check_content: bool = False,
    ) -> None:
        self._store = store
        self._how = how
        self._key = key
        self._fingerprint = lru_cache(maxsize=256)(partial(fingerprint_of, how))
        self._check_content = check_content
        self._news: list[Seen] = []

    def judge(self, items: Sequence[Item]) -> list[tuple[Item, Verdict]]:
        """Return for every file whether it needs work; a failure where it would fail as it did."""
        doubt = _Doubt()
        recalled = self._recall(items)
        for item in items:
            self._compare(item, recalled, doubt)
        self._repeat_failures(doubt)
        self._identify(doubt)
        self._store.make_current(doubt.idle, subject=self._how.subject)
        return [(item, doubt.verdicts[item.path]) for item in items]

    def _recall(self, items: Sequence[Item]) -> Recalled:
        places = [] if self._check_content else [item.place for item in items if item.stamp]
        return self._store.seen(places, subject=self._how.subject) if places else Recalled({}, {})

    def _compare(self, item: Item, recalled: Recalled, doubt: _Doubt) -> None:
        seen = recalled.files.get(storable(item.place))
        if seen is None or seen.stamp != item.stamp:
            doubt.unknown.append(item)
            return
        verdict: Verdict = "work"
        if seen.outcome == "stored" and seen.content_key is not None:
            key = (seen.content_key, self._fingerprint(seen.sidecar_sha256 or ""))
            is_current = recalled.runs.get(key)
            if is_current is not None:
                verdict = "known"
                if not is_current:
                    doubt.idle.add(key)
        elif seen.circumstances == self._circumstances:
            if seen.outcome == "failed":
                doubt.failed.append(item)
            elif not item.explicit:
                verdict = "ignored"
        doubt.verdicts[item.path] = verdict

    def _repeat_failures(self, doubt: _Doubt) -> None:
        if not doubt.failed:
            return
        found = self._store.failures_at([item.place for item in doubt.failed])
        for item in doubt.failed:
            failure = found.get(storable(item.place))
            if failure is not None:
                doubt.verdicts[item.path] = replace(failure, path=item.path)

    def _identify(self, doubt: _Doubt) -> None:
        """Find out the content of files that look new; what is stored under another name or time is known after all."""
        if not doubt.unknown:
            return
        identities: dict[str, Identity | None] = {}
        if not self._was_empty:  # two files of one content in one batch are found out when they are saved
            identities = {item.path: self._key(item.path, self._how) for item in doubt.unknown}
        keys = {each[:2] for each in identities.values() if each is not None}
        known = self._store.known(keys, subject=self._how.subject) if keys else set()
        doubt.idle |= known
        for item in doubt.unknown:
            identity = identities.get(item.path)
            is_known = identity is not None and identity[:2] in known
            doubt.verdicts[item.path] = "known" if is_known else "work"
            if identity is not None and is_known and identity.is_single:
                self._note(item, "stored", content_key=identity.content_key, sidecar_sha256=identity.sidecar_sha256)

    def stored(self, item: Item, head: Head) -> None:
        """Remember a file whose result is written in the same transaction."""
        single = len(head.sources) == 1 and head.sources[0].format not in _companions.READERS
        if single and not _companions.may_have_companions(Path(item.place), b""):
            self._note(item, "stored", content_key=head.key, sidecar_sha256=head.sources[0].sidecar_sha256)

    def failed(self, item: Item, failure: Failure) -> None:
        """Remember a file that failed, where it will fail again as long as nothing changes."""
        if failure.error in _ALWAYS_ALIKE and not self._may_have_companions(item.path):
            self._note(item, "failed", circumstances=self._circumstances)

    def ignored(self, item: Item) -> None:
        """Remember a file that is no recording."""
        self._note(item, "ignored", circumstances=self._circumstances)

    def _note(self, item: Item, outcome: SeenOutcome, **facts: str) -> None:
        if item.stamp:
            filled = {name: value or None for name, value in facts.items()}
            self._news.append(Seen(item.place, item.stamp, outcome, **filled))

    def news(self) -> Iterable[Seen]:
        """Return what is to be remembered and was not returned before."""
        news, self._news = self._news, []
        return news

    @cached_property
    def _was_empty(self) -> bool:
        return self._store.is_empty

    @cached_property
    def _circumstances(self) -> str:
        """Hash of everything beside the file and its sidecar that decides whether a file can be analysed."""
        from ncs.io.registry import readers

        how = self._how
        facts = (
            __version__,
            self._fingerprint(""),  # the protocol is in it
            how.subject,
            [(entry.name, entry.origin, entry.reason) for entry in readers()],
        )
        return hashlib.sha256(repr(facts).encode("utf-8", "backslashreplace")).hexdigest()

    @staticmethod
    def _may_have_companions(path: str) -> bool:
        try:
            with Path(path).open("rb") as file:
                return _companions.may_have_companions(Path(path), file.read(_recording.HEAD_BYTES))
        except (OSError, ValueError):
            return True
