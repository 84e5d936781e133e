"""Check the cases of a table: read what has changed, judge all, apply chosen fixes, write the table."""

import re
import secrets
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.recipe import load_recipe

from ..cases import CaseTable, update_file
from ..parallel import each
from . import cache
from .among import untrusted_identities
from .catalogue import read_choices
from .facts import Facts, Item, gather, identities
from .fixing import changes_for
from .judge import judge
from .results import summary, values_for
from .thumbnail import folder_of

STAGE, KNOWN_STAGE = "Checking", "Looking for changes"
SAVE_EVERY_S = 10.0
SAVE_SHARE = 0.05  # of the time may go into saving
ROUNDS = 3  # one fix can bring another finding to light
RESULTS = ("status", "findings", "volume_mm3", "area_mm2")  # what a person has no reason to write
CHUNK = 64  # cases whose headers alone are read
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # case names that can be file names


def check(
    table_path,
    workers=None,
    report=None,
    recipe=None,
    fixes=(),
    fix_all=False,
    names=None,
    again=False,
    thumbnails=True,
):
    """Check cases and write status, findings, size of the lesion and what the files tell into the table.

    Parameters
    ----------
    table_path : str or Path
    workers : int, optional
        Processes.
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`: what was read is kept, the table is as it was.
    recipe : str, optional
        Name or file of the recipe whose channels the exams shall give.
    fixes : sequence of str
        ``CODE=FIX``: for all cases that are checked and have this finding.
    fix_all : bool
        Also choose, for other findings, the fixes that need no judgement.
    names : sequence of str, optional
        Cases to check; all when not given. The others are compared with, as far as earlier checks have read them.
    again : bool
        Read what was read before, too.
    thumbnails : bool

    Returns
    -------
    dict
        ``table``; numbers of cases that are ``ok``, ``fix``, ``refused``; ``findings`` {code: cases}; ``cases`` with
        findings (at most 200: ``case``, ``status``, ``findings``); ``unreadable``, ``read`` (numbers); ``notes``.

    Raises
    ------
    BadInput
        If the table cannot be read or written, or recipe, fix or case are not known.
    """
    if workers is not None and workers < 1:
        raise BadInput("The number of processes is not 1 or more", str(workers))
    choices = read_choices(fixes, fix_all)
    work = _Check(table_path, recipe, names, report, thumbnails)
    work.read(workers, again)
    return work.finish(choices)


class _Check:
    """The work of one check."""

    def __init__(self, path, recipe, names, report, thumbnails):
        self.path, self._report = Path(path), report or (lambda *_: None)
        self.table = CaseTable.read(self.path)
        self.recipe = load_recipe(recipe) if recipe else None
        known = {case.name for case in self.table}
        unknown = next((name for name in names or () if name not in known), None)
        if unknown is not None:
            raise BadInput("The table has no such case", unknown, "Check the name")
        self.names = known if names is None else set(names)
        entries, note = cache.load(cache.cache_of(self.path))
        self.entries = {name: entry for name, entry in entries.items() if name in known}
        self.notes = [note] if note else []
        self.thumbnails = thumbnails and _can_draw(self.notes)
        self.facts, self.files, self.now = {}, {}, set()
        self._salt = secrets.token_bytes(16)

    def read(self, workers, again):
        """Read the cases that have changed; what was read is kept even when this is cancelled."""
        todo = self._changed(again)
        self.now = {case.name for case in todo}
        saved, every = time.monotonic(), SAVE_EVERY_S
        try:
            items = [self._item(case) for case in todo]
            with closing(each(gather, items, workers, self._report, STAGE)) as outcomes:
                for outcome in outcomes:
                    self._take(todo[outcome.index], outcome)
                    if time.monotonic() - saved > every:
                        began = time.monotonic()
                        cache.save(cache.cache_of(self.path), self.entries)
                        saved = time.monotonic()
                        every = max(SAVE_EVERY_S, (saved - began) / SAVE_SHARE)
            self._identify(workers)
        except BaseException:
            with suppress(BadInput):  # the first reason is the one to tell
                cache.save(cache.cache_of(self.path), self.entries)
            raise

    def finish(self, choices):
        """Judge, apply fixes, write the table, and return the summary."""
        before, edits = self.table, {}
        found = judge(self.table, self.facts, self.recipe)
        for _ in range(ROUNDS):
            changes = changes_for(self.table, found, self.facts, choices, self.names)
            if not changes:
                break
            edits = {name: {**edits.get(name, {}), **changes.get(name, {})} for name in {**edits, **changes}}
            self.table = self.table.replace(case.changed(**changes.get(case.name, {})) for case in self.table)
            found = judge(self.table, self.facts, self.recipe)
        values = {}
        for case, old in zip(self.table, before):
            results = values_for(case, self.facts.get(case.name), found[case.name])
            # Others are touched only where something that was right is right no more.
            worse = old.plain("status") == "ok" and results["status"] != "ok" and case.name in self.facts
            own = dict(edits.get(case.name, {}))
            if case.name in self.names or worse:
                own |= results
            if own:
                values[case.name] = own
        values = _without_edited(values, before, CaseTable.read(self.path)) if values else values
        if values:
            update_file(self.path, values)
            self._keep(values)
        note = untrusted_identities(self.table, self.facts)
        self.notes += [note] if note else []
        return summary(self.path, self.names, found, len(self.now), self.notes)

    def _changed(self, again):
        """Return the cases to read; take the facts of the others from earlier checks."""
        count = Counter(case.name.casefold() for case in self.table)
        todo = []
        for done, case in enumerate(self.table):
            if done % 50 == 0:
                self._report(KNOWN_STAGE, done, len(self.table))
            entry = self.entries.get(case.name)
            if not case.name or count[case.name.casefold()] > 1:
                continue
            same_row = entry is not None and entry.row == cache.row_hash(case)
            if case.name not in self.names:
                if same_row:
                    self.facts[case.name] = entry.facts
                continue
            self.files[case.name] = cache.files_hash(self.table, case)
            picture = self._thumbnail(case)
            if again or not same_row or entry.files != self.files[case.name] or (picture and not picture.exists()):
                todo.append(case)
            else:
                self.facts[case.name] = entry.facts
        return todo

    def _take(self, case, outcome):
        facts = outcome.result if outcome.error is None else Facts(problem=outcome.error.line)
        self.facts[case.name] = facts
        self.entries.pop(case.name, None)
        if not facts.unread:  # what could not be read is tried again next time
            row = cache.row_hash(case)
            self.entries[case.name] = cache.Entry(self.files[case.name], row, "", "", facts)

    def _identify(self, workers):
        """Read who the cases are that were not read now: that is never kept."""
        known = [case for case in self.table if case.name in self.facts and case.name not in self.now]
        chunks = [known[start : start + CHUNK] for start in range(0, len(known), CHUNK)]
        items = [[self._item(case) for case in chunk] for chunk in chunks]
        # A few headers are read sooner than a process starts.
        workers = 1 if len(chunks) < 4 else workers
        with closing(each(identities, items, workers, self._report, KNOWN_STAGE)) as outcomes:
            for outcome in outcomes:
                for case, identity in zip(chunks[outcome.index], outcome.result or ()):
                    self.facts[case.name] = replace(self.facts[case.name], identity=identity)

    def _keep(self, values):
        """Keep what was read and that it was judged."""
        recipe = self.recipe.hash if self.recipe else ""
        for case in self.table:
            entry = self.entries.get(case.name)
            if entry is None or case.name not in values:
                continue
            written = case.changed(**values[case.name])
            judged = cache.judged_hash(written)
            row = cache.row_hash(written)  # side and view may have been filled in
            self.entries[case.name] = replace(entry, row=row, judged=judged, recipe=recipe)
        cache.save(cache.cache_of(self.path), self.entries)

    def _item(self, case):
        picture = self._thumbnail(case)
        return Item(str(self.table.folder), dict(case.values), self._salt, str(picture or ""))

    def _thumbnail(self, case):
        """Return the path of a case's thumbnail, None for one that has none."""
        return folder_of(self.path) / f"{case.name}.png" if self.thumbnails and _SAFE.fullmatch(case.name) else None


def _without_edited(values, before, now):
    """Return values by case and column without those of cells that a person has changed since they were read."""
    old, new = {case.name: case for case in before}, {case.name: case for case in now}
    kept = {}
    for name, own in values.items():
        if name in new:
            same = {column for column in own if old[name].get(column) == new[name].get(column)}
            kept[name] = {column: value for column, value in own.items() if column in same or column in RESULTS}
    return kept


def _can_draw(notes):
    if find_spec("PIL") is None:
        notes.append("There are no thumbnails: they need the package Pillow.")
        return False
    return True
