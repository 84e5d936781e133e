"""What is wrong with the cases of a table, judged from their facts; nothing is read here."""

from dataclasses import dataclass

from BreastSegLib.exam.cells import shortened
from BreastSegLib.recipe.channels import problem_with

from .among import among
from .catalogue import FIX, NOTE, REFUSE, all_checks
from .facts import DCE, MAMMOGRAM

OUTSIDE = 0.2  # of the mask
TINY = 10  # voxels
# What one axis of a voxel can be, mm.
POSSIBLE_MM = {DCE: (0.1, 15.0), MAMMOGRAM: (0.01, 1.0)}
KINDS = {DCE: "dce", MAMMOGRAM: "mammograms"}


@dataclass(frozen=True)
class Finding:
    """Something that was found about a case.

    Parameters
    ----------
    code : str
        Of the check.
    text : str
        A part of a sentence.
    level : {'refuse', 'fix', 'note'}
    fixes : tuple of str
        Names of the fixes that mend it here.
    fixed : bool
        Whether one of them is chosen.
    other : str
        The earlier case that it is about, if any.
    """

    code: str
    text: str
    level: str
    fixes: tuple = ()
    fixed: bool = False
    other: str = ""

    @property
    def fix(self):
        """str: the first fix, '' where none mends it."""
        return self.fixes[0] if self.fixes else ""

    @property
    def line(self):
        """str: code and text, as it stands in the column ``findings``."""
        return f"{self.code}: {' '.join(self.text.replace(';', ',').split())}"


def judge(table, facts, recipe=None):
    """Return what is wrong with each case.

    Parameters
    ----------
    table : CaseTable
    facts : dict of str to Facts
        By case name; cases without facts are judged by their row alone.
    recipe : Recipe, optional
        Whose channels the exams shall give.

    Returns
    -------
    dict of str to list of Finding
        For every case of the table.
    """
    found = {case.name: [] for case in table}
    for problem in table.problems():
        found[problem.case.name].append(finding("row", problem.text))
    for case in table:
        if case.name in facts:
            found[case.name] += _alone(case, facts[case.name], recipe)
    for name, code, text, fixes, fixed, other in among(table, facts):
        found[name].append(finding(code, text, fixes, fixed, other))
    return found


def finding(code, text, fixes=None, fixed=False, other=""):
    """Return a `Finding` of a check: refused where the check has fixes in general but none here."""
    check = all_checks()[code]
    names = tuple(fix.name for fix in check.fixes) if fixes is None else tuple(fixes)
    level = REFUSE if check.level == FIX and not names else check.level
    return Finding(code, text, level, names, fixed, other)


def status_of(findings):
    """Return the status of a case: ``ok``, ``fix`` or ``refused``."""
    open_ = {one.level for one in findings if not one.fixed}
    return "refused" if REFUSE in open_ else "fix" if FIX in open_ else "ok"


def _alone(case, facts, recipe):
    """Return the findings of one case by itself."""
    rows = []
    if facts.problem:
        return [finding("unreadable", _brief(facts.problem))]
    if facts.mask_problem:
        rows.append(("unreadable", _brief(facts.mask_problem)))
    rows += [(code, text, (fix,) if fix else ()) for code, text, fix in facts.complaints]
    rows += _about_lesion(facts)
    rows += _about_sides(case, facts)
    rows += _about_voxels(facts)
    rows += _about_phases(facts)
    result = [_chosen(case, finding(*row)) for row in rows]
    if facts.blank:
        text = f"{facts.blank} of {facts.shape[0]} slices are constant in all phases"
        dropped = recipe is not None and recipe.slices == "drop-blank"
        blank = finding("blank-slices", text + (", the recipe leaves them out" if dropped else ""))
        result.append(Finding(blank.code, blank.text, NOTE) if dropped else _chosen(case, blank))
    if recipe is not None and (text := _recipe_problem(facts, recipe)):
        result.append(finding("recipe", _brief(text)))
    return result


def _chosen(case, one):
    chosen = all_checks()[one.code].for_export & set(one.fixes) & set(case.parts("fixes"))
    return finding(one.code, one.text, one.fixes, bool(chosen), one.other)


def _about_lesion(facts):
    rows = []
    if facts.outside is not None and facts.outside >= OUTSIDE:
        rows.append(("mask-outside-breast", f"{facts.outside:.0%} of the mask lies outside the breast"))
    if 0 < facts.voxels < TINY:
        rows.append(("tiny-lesion", f"the mask has {facts.voxels} voxels only"))
    if facts.lesion_on_blank:
        rows.append(("mask-on-blank", f"{facts.lesion_on_blank} voxels of the mask lie on blank slices"))
    return rows


def _about_sides(case, facts):
    told = case.plain("side")
    rows, words = [], []
    if told in ("left", "right") and facts.side and told != facts.side:
        what = "the file shows" if facts.kind == MAMMOGRAM else "the mask lies"
        words.append(f"the table says {told}, {what} {facts.side}")
    if facts.kind == DCE and facts.laterality and facts.side not in ("", facts.laterality):
        words.append(f"the headers say {facts.laterality}, the mask lies {facts.side}")
    if facts.kind == DCE and facts.laterality and told in ("left", "right") and told != facts.laterality:
        words.append(f"the table says {told}, the headers {facts.laterality}")
    words += [text for text in facts.contradictions if not text.startswith("view:")]
    if words:
        # What a mask says of the side mends nothing where files contradict each other.
        usable = facts.side and told not in ("", facts.side) and len(words) == 1
        fixes = ("side-from-mask", "accept-side") if usable else ("accept-side",)
        rows.append(("side", ", ".join(words), fixes))
    view = case.get("view").strip().upper()
    words = [text for text in facts.contradictions if text.startswith("view:")]
    if view and facts.view and view != facts.view:
        words.insert(0, f"the table says {shortened(view)}, the file {facts.view}")
    return rows + ([("view", ", ".join(words))] if words else [])


def _about_voxels(facts):
    if not facts.spacing_known:
        return [("spacing-unknown", "the files do not tell the voxel size")]
    low, high = POSSIBLE_MM[facts.kind]
    if not all(low <= value <= high for value in facts.spacing):
        size = " × ".join(f"{value:.4g}" for value in facts.spacing)
        return [("spacing-outlier", f"the voxel size is {size} mm")]
    return []


def _about_phases(facts):
    if not facts.phases or facts.phases[0]["role"] == "channel":
        return []
    words = []
    if facts.phases[0]["role"] != "pre":
        words.append("there is no phase before contrast")
    words += [text for text in (_number_gap(facts.file_numbers), _time_gap(facts.phases)) if text]
    return [("phases-missing", ", ".join(words))] if words else []


def _number_gap(numbers):
    """Return a text about file numbers that skip one: 0, 1, 3."""
    steps = {b - a for a, b in zip(numbers, numbers[1:])}
    if len(steps) < 2 or min(steps) != 1 or max(steps) > 9:  # numbers of another kind, such as times
        return ""
    lacking = sorted(set(range(numbers[0], numbers[-1])) - set(numbers))
    return (
        "the files are numbered " + ", ".join(map(str, numbers)) + ": " + ", ".join(map(str, lacking)) + " is missing"
    )


def _time_gap(phases):
    """Return a text about a time between two phases after contrast that is about a multiple of the others."""
    times = [phase["time_s"] for phase in phases if phase["role"] == "post"]
    if None in times or len(times) < 4:
        return ""
    steps = [b - a for a, b in zip(times, times[1:])]
    usual = sorted(steps)[(len(steps) - 1) // 2]
    longest = max(steps)
    even = sum(abs(step - usual) <= 0.15 * usual for step in steps) == len(steps) - 1
    if not even or usual <= 0 or longest < 1.7 * usual:
        return ""
    place = steps.index(longest)
    return f"post{place + 1} and post{place + 2} lie {longest:.0f} s apart, the others {usual:.0f} s"


def _recipe_problem(facts, recipe):
    if not recipe.fits(KINDS[facts.kind]):
        return f"the recipe {recipe.name} is for another kind of image"
    if facts.kind == MAMMOGRAM or recipe.modality == "any":
        return ""
    sources = [source for _, source in recipe.channels]
    return problem_with(sources, facts.phase_list, recipe.time_tolerance_s)


def _brief(text):
    line = " ".join(text.split()).rstrip(".")
    return line if len(line) <= 300 else line[:299] + "…"
