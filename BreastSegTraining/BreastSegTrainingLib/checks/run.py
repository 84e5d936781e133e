"""Check the cases of a table: read what has changed, judge all, apply chosen fixes, write the table."""

import secrets
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from BreastSegLib.errors import BadInput, BreastSegError
from BreastSegLib.recipe import load_recipe

from ..cases import CaseTable, update_file
from ..parallel import each
from . import cache
from .among import untrusted_identities
from .catalogue import NOTE, read_choices
from .facts import DCE, Facts, Item, gather, identities
from .fixing import changes_for
from .judge import judge, status_of
from .thumbnail import folder_of

STAGE, KNOWN_STAGE = "Checking", "Looking for changes"
SAVE_EVERY_S = 10.0
SAVE_SHARE = 0.05  # of the time may go into saving
ROUNDS = 3  # one fix can bring another finding to light
CHUNK = 64  # cases whose headers alone are read
MOST_CASES = 200  # in the summary
MOST_TEXT = 200  # characters of one finding in the table


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
    return _Run(table_path, recipe, names, report).run(
        workers, read_choices(fixes, fix_all), again, thumbnails and _can_draw()
    )


class _Run:
    def __init__(self, path, recipe, names, report):
        self.path, self.report = Path(path), report or (lambda *_: None)
        self.table = CaseTable.read(self.path)
        self.recipe = load_recipe(recipe) if recipe else None
        known = {case.name for case in self.table}
        unknown = next((name for name in names or () if name not in known), None)
        if unknown is not None:
            raise BadInput("The table has no such case", unknown, "Check the name")
        self.part = names is not None
        self.names = known if names is None else set(names)
        self.entries, note = cache.load(cache.cache_of(self.path))
        self.entries = {name: entry for name, entry in self.entries.items() if name in known}
        self.notes = [note] if note else []
        self.facts, self.files, self.salt = {}, {}, secrets.token_bytes(16)

    def run(self, workers, choices, again, thumbnails):
        todo = self._changed(again, thumbnails)
        try:
            self._gather(todo, workers, thumbnails)
        except BaseException:
            self._save(quietly=True)
            raise
        self._identify(workers)
        found = judge(self.table, self.facts, self.recipe)
        for _ in range(ROUNDS):
            changes = changes_for(self.table, found, self.facts, choices, self.names)
            if not changes:
                break
            self.table = self.table.replace(case.changed(**changes.get(case.name, {})) for case in self.table)
            self._fixed = {**getattr(self, "_fixed", {}), **_merged(getattr(self, "_fixed", {}), changes)}
            found = judge(self.table, self.facts, self.recipe)
        self._write(found)
        note = untrusted_identities(self.table, self.facts)
        self.notes += [note] if note else []
        return self._summary(found, len(todo))

    def _changed(self, again, thumbnails):
        """Return the cases to read; take the facts of the others from earlier checks."""
        twice = {name for name, n in Counter(case.name.casefold() for case in self.table).items() if n > 1}
        todo = []
        for done, case in enumerate(self.table):
            if done % 50 == 0:
                self.report(KNOWN_STAGE, done, len(self.table))
            entry = self.entries.get(case.name)
            if case.name.casefold() in twice or not case.name:
                continue
            if case.name not in self.names:
                if entry and entry.row == cache.row_hash(case):
                    self.facts[case.name] = entry.facts
                continue
            self.files[case.name] = cache.files_hash(self.table, case)
            same = entry and entry.files == self.files[case.name] and entry.row == cache.row_hash(case)
            if again or not same or (thumbnails and not self._thumbnail(case).exists()):
                todo.append(case)
            else:
                self.facts[case.name] = entry.facts
        return todo

    def _gather(self, todo, workers, thumbnails):
        items = [self._item(case, thumbnails) for case in todo]
        saved, every = time.monotonic(), SAVE_EVERY_S
        with closing(each(gather, items, workers, self.report, STAGE)) as outcomes:
            for outcome in outcomes:
                case = todo[outcome.index]
                facts = outcome.result if outcome.error is None else Facts(problem=outcome.error.line)
                self.facts[case.name] = facts
                self.entries.pop(case.name, None)
                if not facts.unread:
                    row = cache.row_hash(case)
                    self.entries[case.name] = cache.Entry(self.files[case.name], row, "", "", facts)
                if time.monotonic() - saved > every:
                    began = time.monotonic()
                    self._save()
                    saved = time.monotonic()
                    every = max(SAVE_EVERY_S, (saved - began) / SAVE_SHARE)

    def _identify(self, workers):
        """Read who the cases are that were not read now: that is never kept."""
        known = [case for case in self.table if case.name in self.facts and not self.facts[case.name].identity]
        known = [case for case in known if self.facts[case.name].kind and not self._fresh(case)]
        chunks = [known[start : start + CHUNK] for start in range(0, len(known), CHUNK)]
        items = [[self._item(case, False) for case in chunk] for chunk in chunks]
        if not items:
            return
        with closing(each(identities, items, workers if len(items) > 1 else 1, self.report, KNOWN_STAGE)) as outcomes:
            for outcome in outcomes:
                for case, identity in zip(chunks[outcome.index], outcome.result or ()):
                    self.facts[case.name] = replace(self.facts[case.name], identity=identity)

    def _fresh(self, case):
        """bool: whether the case was read in this run, its headers too."""
        return self.facts[case.name] is not getattr(self.entries.get(case.name), "facts", None) or (
            case.name in self._read_now
        )

    def _item(self, case, thumbnail):
        path = str(self._thumbnail(case)) if thumbnail and not any("case name" in p for p in case.problems()) else ""
        return Item(str(self.table.folder), dict(case.values), self.salt, path)

    def _thumbnail(self, case):
        return folder_of(self.path) / f"{case.name}.png"
