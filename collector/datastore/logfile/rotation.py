"""Which file is which: finding again what was followed, and what has come since.

Between two collections, or while no agent ran, a file may have been

* *renamed*, once or several times: it is found by its inode among ``path*`` and read to its end, then every file
  that was begun and renamed since, oldest first, then the one that now has the name;
* *copied and truncated* (``copytruncate``): the inode stays, the content goes. The copy is found by its fingerprint
  and its rest is read from there. Without a copy nobody knows what stood after the last byte read: ``partial``;
* *compressed*: as if it was copied; the copy is unpacked;
* *removed*: if it is still open here, its rest is read; else what it had more is ``lost``.

All of these may follow each other. An inode that holds other content than before, because its file was truncated or
because it was given to a new file, counts as one that was never followed.

Files that were never followed are considered only when one of these has happened, and only if they look rotated (the
name goes on with digits, such as ``.1`` or ``-20260131.gz``) and were written after the followed one was last seen.
Everything older was read before, or was there before the first collection. Of a file that was empty when it was last
seen, or had nothing but its header, nobody can say whether it was copied and truncated since: what was written beside it later is read, too.

A compressed file that was never followed is read only when it was not written for a while, so that it is whole. One that holds what was read to its
end already, from the file that it was made of, is remembered and not read.

A file that was never followed and is a copy of another one is told, remembered, and left alone (see ``copies``). Once its original is truncated, what that
had more is read from there. Where lines are all the same nobody can tell a copy; then it is waited for only while it was written just now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from collector.datastore.logfile.contents import Content
from collector.datastore.logfile.copies import Copies, begins_with
from collector.datastore.logfile.handles import Handles
from collector.datastore.logfile.looks import Found, Identity, Look, look
from collector.datastore.logfile.places import HEAD_BYTES
from collector.datastore.logfile.tracked import FINGERPRINT_BYTES, Tracked, is_continued, is_outread, is_whole, seen

#: How often it is looked at most. While files are renamed a directory may show one of them nowhere, or where it is not any more.
LOOKS_MAX = 5
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Step:
    """One file to be read on, or only to be remembered where it has no content.

    ``live`` has the configured name, ``path`` is its name; ``gone`` has none, and no one will find it again. ``rests`` says that it was not
    written for a while.
    """

    tracked: Tracked
    content: Content | None
    path: str = ""
    live: bool = False
    gone: bool = False
    rests: bool = True


@dataclass
class Plan:
    """Files to read, oldest first; what is known to be missing; whether nothing has the configured name now.

    All of it is worth something only if what was ``seen`` stays until they are read.
    """

    seen: Look
    steps: list[Step] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    absent: bool = False
    copies: Copies | None = None

    def stays(self, paths: Collection[str] | None = None) -> bool:
        """Whether all is as it was seen, or files of some paths alone; copies must be copies still. Raises OSError."""
        return self.seen.stays(paths) and (self.copies is None or self.copies.stay())


@dataclass(frozen=True)
class Rules:
    """What decides which files are taken up.

    ``rests`` says of the time of a file's last change, in nanoseconds, whether that is long enough ago for it to be whole. ``oldest``
    wants the files that were rotated before the first collection, too.
    """

    rests: Callable[[int], bool]
    oldest: bool = False


def plan(path: str, followed: Sequence[Tracked], handles: Handles, rules: Rules) -> Plan:
    """What to read, given the files followed so far, oldest first. Raises OSError and SourceErrors, RotatedMeanwhile among them."""
    return _Planner(path, followed, handles, rules).plan()


class _Planner:
    def __init__(self, path: str, followed: Sequence[Tracked], handles: Handles, rules: Rules) -> None:
        self._path, self._followed, self._handles, self._rules = path, followed, handles, rules
        around = look(path)
        self._live, self._beside = around.live, around.beside
        self._hidden = around.hidden
        self._plan = Plan(around)
        self._places: dict[Identity, Found] = {}
        for found in [*self._beside, *([self._live] if self._live is not None else [])]:
            self._places[found.identity] = found
        #: The followed files that are there under some name, with the content that was followed.
        self._continued = {known for known in followed if self._is_continued(known)}
        #: Files that were read to their ends and are gone, or are only open here any more: their content may come to light again.
        self._ended = [known for known in followed if known.retired and known not in self._continued]
        #: Files that are only open here any more, as they will be once they are read to their ends.
        self._unread: list[Tracked] = []
        solid = {known.identity for known in self._continued if not known.is_faint}
        since_ns = _last_ns(followed) if followed else 0
        read = [
            each for each in self._beside if each.identity in solid or (each.is_rotated and _is_since(each, since_ns))
        ]
        self._copies = self._plan.copies = Copies(handles, self._live, read, solid)

    def _is_continued(self, known: Tracked) -> bool:
        same = self._places.get(known.identity)
        if same is None or known.gone or known.packed != same.is_packed:
            return False
        if known.copy and same is self._live:
            return False
        if self._is_settled(known, same):
            return True
        return is_continued(known, self._handles.open(same))

    @staticmethod
    def _is_settled(known: Tracked, same: Found) -> bool:
        """Whether nothing can have come to a file since it was read to its end."""
        # Writes that follow each other at once may leave a file the same time.
        is_as_long = known.packed or known.size == same.size
        return known.retired and known.mtime_ns == same.mtime_ns and is_as_long

    def plan(self) -> Plan:
        # Who knows more of a file has the first claim to it.
        for known in sorted(self._followed, key=lambda known: known.is_faint):
            self._find_again(known)
        live = self._live
        if live is not None and live.identity in self._taken():
            return self._plan
        if self._followed:
            self._begin_since(_last_ns(self._followed))
        elif self._rules.oldest:
            self._begin_since(0)
        if live is not None:
            self._begin(live)
        # Between the renaming and the creation of the next file, nothing can be written anywhere else.
        rotating = any(not step.tracked.retired and not step.gone for step in self._plan.steps)
        self._plan.absent = live is None and not rotating
        return self._plan

    def _taken(self) -> set[Identity]:
        """The files that are known for what they are."""
        planned = {step.tracked.identity for step in self._plan.steps if not step.tracked.gone}
        return planned | {known.identity for known in self._continued}

    def _find_again(self, known: Tracked) -> None:
        same = self._places.get(known.identity)
        if known in self._continued and same is not None:
            self._go_on(known, same)
        elif known.retired:
            self._remember(known)
        elif same is None and (held := self._handles.held(known.identity)) is not None:
            if is_continued(known, held):
                self._read_open(known, held)
            else:
                # It was copied and truncated before.
                self._read_open(Tracked(*known.identity), held)
                self._find_elsewhere(known, same)
        else:
            self._find_elsewhere(known, same)

    def _read_open(self, known: Tracked, held: Content) -> None:
        """A file that was removed, and is still open here."""
        size = held.size
        if size is not None:
            ended = self._ended if known.offset == size else self._unread
            ended.append(seen(replace(known, offset=size), held, size, known.mtime_ns))
        self._plan.steps.append(Step(known, held, gone=True))

    def _find_elsewhere(self, known: Tracked, same: Found | None) -> None:
        """What stood in a file that is gone, or has other content now."""
        if (copy := self._copy_of(known)) is not None:
            device, inode = copy.identity
            self._add(replace(known, device=device, inode=inode, packed=copy.is_packed), copy)
        elif awaited := self._awaited(known):
            # Where it was, another file may be now.
            self._await(replace(known, device=0, inode=0), awaited)
        elif self._is_followed_elsewhere(known):
            self._remember(known)
        elif same is not None:
            self._plan.partial.append(
                f"{self._path} was truncated or rewritten: what stood in it after byte {known.offset} may be lost"
            )
            self._remember(known)
        else:
            unread = known.size - known.offset
            amount = f"at least {unread} bytes of it" if unread > 0 else "what was appended since, if anything,"
            self._plan.lost.append(
                f"a file rotated from {self._path} was removed before it was read to its end: "
                f"{amount} after byte {known.offset} cannot be read any more"
            )
            self._remember(known)

    def _go_on(self, known: Tracked, same: Found) -> None:
        """With a file that is where it can be found."""
        if known.is_faint and any(step.content and step.tracked.identity == same.identity for step in self._plan.steps):
            if known.retired:
                self._remember(known)
        elif known.copy and not self._is_settled(known, same) and self._copies.original(same) is not None:
            # It was not copied to its end when it was last seen.
            self._plan.steps.append(Step(self._copy(known, same), None))
        elif known.copy or self._is_settled(known, same):
            self._plan.steps.append(Step(known, None))
        elif known.is_faint and same is not self._live:
            self._begin(same)
        else:
            if known.is_blank and same is self._live and known.mtime_ns != same.mtime_ns:
                self._begin_since(known.mtime_ns + 1)
            self._add(known, same)

    def _remember(self, known: Tracked) -> None:
        """A file that is not there any more, for what may come of it."""
        if not known.retired:
            self._ended.append(known)
        self._plan.steps.append(Step(replace(known, retired=True, gone=True), None))

    def _candidates(self, known: Tracked, *, followed: bool = False) -> list[Found]:
        """The files that may hold what stood in one that is not where it was, oldest first: those that are ``followed`` already, or the others."""
        if known.fingerprint_bytes == 0:
            return []  # nothing was seen of it, so anything would look like its copy
        taken = {each.identity for each in self._continued if not each.is_faint}
        taken |= {step.tracked.identity for step in self._plan.steps if step.content is not None}
        # A copy may be older than the log was at last, which was written until it was truncated.
        since_ns = known.mtime_ns if known.offset == known.size else 0
        since = [each for each in self._beside if _is_since(each, since_ns) and (each.identity in taken) == followed]
        return sorted((each for each in since if followed or self._copies.original(each) is None), key=_age)

    def _is_followed_elsewhere(self, known: Tracked) -> bool:
        """Whether its copy is read on already, because both were there when it was last looked: in the middle of a rotation."""
        return any(is_continued(known, self._handles.open(found)) for found in self._candidates(known, followed=True))

    def _copy_of(self, known: Tracked) -> Found | None:
        """The file that goes on as the known one did; of several that are copies of each other the one that goes on furthest."""
        furthest: Found | None = None
        for found in self._candidates(known):
            content = self._handles.open(found)
            if is_continued(known, content) and (
                furthest is None or begins_with(content, self._handles.open(furthest))
            ):
                furthest = found
        return furthest

    def _awaited(self, known: Tracked) -> Found | None:
        return next((found for found in self._candidates(known) if not self._rests(found)), None)

    def _rests(self, found: Found) -> bool:
        return not found.is_packed or self._rules.rests(found.mtime_ns)

    def _begin_since(self, since_ns: int) -> None:
        if self._hidden:
            self._plan.partial.append(
                f"{self._hidden} cannot be listed: what {self._path} was rotated into since it was last seen is not read, if there is more of it"
            )
        known = self._taken()
        new = [each for each in self._beside if each.identity not in known and each.is_rotated]
        for found in sorted((each for each in new if _is_since(each, since_ns)), key=_age):
            self._begin(found)

    def _begin(self, found: Found) -> None:
        begun = Tracked(*found.identity, mtime_ns=found.mtime_ns, packed=found.is_packed)
        if found.is_packed and (ended := self._ended_in(found)) is not None:
            device, inode = found.identity
            self._plan.steps = [
                step for step in self._plan.steps if step.tracked != replace(ended, retired=True, gone=True)
            ]
            packed = replace(ended, device=device, inode=inode, mtime_ns=found.mtime_ns, packed=True)
            self._plan.steps.append(Step(replace(packed, retired=True, gone=False), None))
        elif found.is_packed and self._is_unread(found):
            # Until that is read to its end, the rest may have to be read here.
            self._plan.steps.append(Step(begun, None))
        elif (original := self._copies.original(found)) is not None:
            self._leave(begun, found, original)
        elif not self._rests(found):
            self._await(begun, found)
        elif not self._rules.rests(found.mtime_ns) and self._copies.may_be_begun(found):
            self._await(replace(begun, retired=True), found)
        else:
            self._add(self._named_as_read(begun, found) if found.is_packed else begun, found)

    def _leave(self, begun: Tracked, found: Found, original: Found) -> None:
        """A copy, which is never to be read from its beginning."""
        self._plan.partial.append(
            f"{found.path} is a copy of what {original.path} begins with: the lines of both are counted once"
        )
        self._plan.steps.append(Step(self._copy(begun, found), None))

    def _copy(self, begun: Tracked, found: Found) -> Tracked:
        """What is remembered of a copy: all of it, since it may be compressed once its original is truncated."""
        content = self._handles.open(found)
        size = content.size or len(content.read(0, FINGERPRINT_BYTES))
        return seen(replace(begun, offset=size, retired=True, copy=True), content, size, found.mtime_ns)

    def _is_unread(self, found: Found) -> bool:
        """Whether a compressed file has what an open one has that may not be read to its end yet."""
        content = self._handles.open(found)
        return any(is_whole(known, content) for known in self._unread)

    def _ended_in(self, found: Found) -> Tracked | None:
        """The file whose content a compressed one has, if that was read; each has come to light only once."""
        content = self._handles.open(found)
        for known in self._ended:
            if is_whole(known, content):
                self._ended.remove(known)
                return known
        return None

    def _named_as_read(self, begun: Tracked, found: Found) -> Tracked:
        """A compressed file whose lines have the names of those of another, where it seems to hold a part of what was read of that one.

        Such a copy is made while its original is written and read on. What it has in common with it counts once then, and whatever else it has
        counts, too. Only lines of the first bytes of a file are named by all that stands before them.
        """
        content = self._handles.open(found)
        known = next((known for known in self._ended if is_outread(known, content)), None)
        if known is None or not known.key:
            return begun
        if content.read(HEAD_BYTES, 1):
            self._plan.partial.append(
                f"{found.path} begins as what was read of {self._path} before: if it is a copy of that, its lines are counted twice"
            )
            return begun
        return replace(begun, key=known.key, ordinal=known.ordinal)

    def _await(self, tracked: Tracked, found: Found) -> None:
        reason = f"{found.path} was written just now: it is read once it is whole"
        if reason not in self._plan.partial:
            self._plan.partial.append(reason)
        self._plan.steps.append(Step(tracked, None))

    def _add(self, tracked: Tracked, found: Found) -> None:
        live = self._live is not None and tracked.identity == self._live.identity
        content = self._handles.open(found)
        self._plan.steps.append(Step(tracked, content, found.path, live, rests=self._rests(found)))


def _age(found: Found) -> tuple[int, str]:
    return found.mtime_ns, found.path


def _is_since(found: Found, since_ns: int) -> bool:
    """Whether a file was written since; what compresses may keep no more than the seconds."""
    return found.mtime_ns + (_SECOND_NS - 1 if found.is_packed else 0) >= since_ns


def _last_ns(followed: Sequence[Tracked]) -> int:
    """When the files were last written, in nanoseconds, as far as that is known; compression may be later than what is compressed."""
    plain = [known.mtime_ns for known in followed if not known.packed]
    return max(plain or [known.mtime_ns for known in followed])
