"""What a report of one exam says, in order; `html` and `pdf` write it."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from .. import __version__
from ..errors import BadInput
from ..measures.phasechoice import choose_phases
from ..measures.settings import Settings
from . import facts
from .blocks import Bullets, Figure, FigureRow, Paragraph, Section, Table, shortened
from .chart import curve_figure
from .depthview import depth_figure
from .figures import key_figures, projection_figure
from .framing import Framing
from .identity import identity_rows
from .mammogramfigures import close_ups, view_figures
from .phasestrip import other_figures, phase_figures
from .planes import THINNEST, Plane

TITLE = "Breast lesion report"
NOTICE = "For research use only. Not a medical device: not for diagnosis or treatment."
MANY = 12  # lesions; of more the pictures come before the table
MOST_WARNINGS = 12
MOST_NOTES = 6
GIVEN_MM = 48.0  # height of pictures that the caller gives
OTHERS = 4  # lesions besides the largest that get a close-up
SPARE_MM, LINE, ROW_MM = 220.0, 110, 48.0  # of two pages beside what is always there; letters; of a row of pictures
FORMAT = "breastseg-measures-1"


@dataclass(frozen=True)
class Content:
    """A report before it is written as a page or a PDF.

    Parameters
    ----------
    exam : DceExam or MammographyExam
    masks : sequence of Volume or None
        Labels on the exam's own grid: one of a DCE exam, one for each mammogram (None where it has none).
    measures : dict
        As `pipeline.measuring` makes them.
    record : dict
        The run record; empty where there is none.
    card : dict
        The model's card; empty where there is none.
    identity : dict, optional
        See `identity.identity_of`. Without it nothing in the report tells who the patient is.
    pictures : sequence of (str, bytes)
        Caption and PNG or JPEG of further pictures, such as those of the application's views.
    made : datetime
        When the report was made.

    Raises
    ------
    BadInput
        If the measures are no measures, or exam and masks do not belong together.
    """

    exam: object
    masks: tuple
    measures: dict
    record: dict = field(default_factory=dict)
    card: dict = field(default_factory=dict)
    identity: dict | None = None
    pictures: tuple = ()
    made: datetime = field(default_factory=lambda: datetime.now().astimezone())

    def __post_init__(self):
        for name in ("record", "card"):
            value = getattr(self, name) or {}
            if not isinstance(value, dict):
                raise BadInput(f"The report's {name} is no record", type(value).__name__)
            object.__setattr__(self, name, value)
        object.__setattr__(self, "masks", tuple(self.masks))
        object.__setattr__(self, "pictures", tuple(self.pictures))
        check_measures(self.measures, self.is_dce)
        images = [self.exam.volumes[0]] if self.is_dce else list(self.exam.images)
        if len(self.masks) != len(images):
            raise BadInput("The report needs one mask for each image", f"{len(self.masks)} and {len(images)}")
        for mask, image in zip(self.masks, images):
            if mask is None and self.is_dce or mask is not None and mask.geometry.shape != image.geometry.shape:
                raise BadInput("Mask and exam of the report differ in size", hint="Give the mask of this exam")

    @property
    def is_dce(self):
        """bool: whether the exam is a DCE exam, not mammograms."""
        return hasattr(self.exam, "phases")

    @property
    def title(self):
        """str: the report's title."""
        return TITLE

    @property
    def notice(self):
        """str: the sentence that every report begins with."""
        return NOTICE

    @property
    def lesions(self):
        """list of dict: the measured lesions, largest first."""
        return self.measures["lesions"]

    @property
    def run_id(self):
        """str: the run's name for the footer."""
        return shortened(self.record.get("id") or "", 64)

    @property
    def footer(self):
        """str: what stands at the foot of each page, before its number."""
        run = f"run {self.run_id}" if self.run_id else "no run record"
        return f"{TITLE}, research use only · made {self.made:%Y-%m-%d %H:%M} · {run} · BreastSeg {__version__}"

    @property
    def record_text(self):
        """str: the whole run record as JSON; empty without one."""
        return json.dumps(self.record, indent=1, ensure_ascii=False, default=str) if self.record else ""

    @cached_property
    def sections(self):
        """tuple of Section: all that the report says, in order."""
        lesions = [self._lesion_section(), *self._warning_sections()]
        pictures = list(self._dce_pictures() if self.is_dce else self._mammogram_pictures())
        middle = [*pictures, *lesions] if len(self.lesions) > MANY else [*lesions, *pictures]
        return (*self._exam_sections(), *middle, *self._kinetic_sections(), *self._further(), *self._origin())

    @cached_property
    def _choice(self):
        return choose_phases(self.exam.phases, Settings.from_json(known_settings(self.measures)))

    @cached_property
    def _spare_mm(self):
        """float: about how much of two A4 pages is left when the least is shown."""
        length = 4.7 * len(facts.phase_blocks(self.exam.phases)[0].rows if self.is_dce else self.exam.views)
        length += 24 + 9.5 * len(self.lesions) + (14 if self.identity else 0)
        length += (GIVEN_MM + 8) * -(-len(self.pictures) // 3)
        texts = [*self._warnings, *self._notes]
        return SPARE_MM - length - sum(3.8 * (1 + len(text) // LINE) for text in texts) - (8 if self._notes else 0)

    @cached_property
    def _warnings(self):
        texts = [w.get("text", "") for w in self.measures.get("warnings") or () if isinstance(w, dict)]
        texts = list(dict.fromkeys(shortened(text) for text in texts if text))
        more = len(texts) - MOST_WARNINGS
        return texts if more <= 0 else [*texts[:MOST_WARNINGS], f"{more} more: see the measures (JSON)."]

    @cached_property
    def _notes(self):
        notes = dict.fromkeys(shortened(note, 300) for note in self.exam.notes)
        notes = [note for note in notes if note not in self._warnings]
        more = len(notes) - MOST_NOTES
        return notes if more <= 0 else [*notes[:MOST_NOTES], f"{more} more: see the exam's notes."]

    def _exam_sections(self):
        rows = identity_rows(self.identity)
        if rows:
            titles, values = zip(*rows)
            yield Section("Patient", (Table((values,), titles),))
        yield Section("Exam", (facts.exam_table(self.exam, self.measures, self.record),), half=True)
        if self.is_dce:
            yield Section("Phases", facts.phase_blocks(self.exam.phases), half=True)
        else:
            yield Section("Views", (facts.view_table(self.exam.views, self.lesions),), half=True)

    def _lesion_section(self):
        table = facts.lesion_table(self.measures)
        return Section("Lesions", (table or Paragraph("No lesion was found."),))

    def _warning_sections(self):
        if self._warnings:
            yield Section("Warnings", (Bullets(tuple(self._warnings)),))
        if self._notes:
            yield Section("Notes on the exam", (Bullets(tuple(self._notes)),))

    @cached_property
    def _given(self):
        return [Figure.of(data, shortened(caption, 160)) for caption, data in self.pictures]

    def _mammogram_pictures(self):
        views = view_figures(self.exam, self.masks, self.lesions)
        rows = [FigureRow(tuple(views[i : i + 4]), 82) for i in range(0, len(views), 4)]
        rows += [FigureRow(tuple(self._given[i : i + 3]), GIVEN_MM) for i in range(0, len(self._given), 3)]
        yield Section("Images", tuple(rows))
        near = close_ups(self.exam, self.masks, self.lesions)
        if near:
            yield Section("Largest lesions" if len(near) > 1 else "The lesion", (FigureRow(tuple(near), 46),))

    def _dce_pictures(self):
        mask, rows, given, spare = self.masks[0], self.lesions, self._given, self._spare_mm
        reference = self.exam.volumes[self.exam.reference]
        framing = Framing(reference)
        slices = key_figures(self.exam, mask, rows, framing)
        overview = [projection_figure(self.exam, mask, rows, self._choice, framing)]
        if min(self.exam.geometry.shape) >= THINNEST:
            overview.append(depth_figure(reference, mask, rows, framing.air_level))
        smaller = 1.0 if spare > 0 else 0.75
        pictures = [slices, overview] if len(slices) > 1 else [[*slices, *overview]]
        blocks = [FigureRow(tuple(row), (58 - 8 * i) * smaller) for i, row in enumerate(pictures)]
        blocks += [FigureRow(tuple(given[i : i + 3]), GIVEN_MM * smaller) for i in range(0, len(given), 3)]
        through = f" through {'the lesion' if len(rows) == 1 else 'the largest lesion'}" if rows else ""
        yield Section(f"Key images{through}", tuple(blocks))
        strip = phase_figures(self.exam, mask, rows[0], self._choice) if rows and spare > ROW_MM else []
        if strip:
            name = "Lesion 1" if len(rows) > 1 else "The lesion"
            yield Section(
                f"{name} before and after contrast, {Plane.acquired(self.exam.geometry).name}",
                (FigureRow(tuple(strip), 36),),
            )
        if len(rows) > 1 and spare > 2 * ROW_MM:
            others = other_figures(self.exam, mask, rows[1 : 1 + OTHERS], self._choice)
            yield Section("Other lesions", (FigureRow(tuple(others), 36),))

    def _kinetic_sections(self):
        if not self.is_dce:
            return
        figure = curve_figure(self.exam.phases, self.lesions, self.measures.get("tissue"), self._choice)
        table, thresholds = facts.curve_table(self.measures), facts.threshold_paragraph(self.measures)
        if figure:
            yield Section("Enhancement over time", (FigureRow((figure,), 58),), half=True)
        blocks = [block for block in (table, thresholds) if block]
        if blocks and self._choice.evidence:
            blocks.append(Paragraph(self._choice.evidence, "small"))
        if blocks:
            yield Section("Curve types and functional tumour volume", tuple(blocks), half=len(self.lesions) <= MANY)

    def _further(self):
        table = facts.further_table(self.measures)
        if table:
            yield Section("Further measures", (table,))

    def _origin(self):
        model = facts.model_table(self.card)
        run = facts.run_table(self.record)
        missing = Paragraph("No run record: the mask was given as a file.")
        if model:
            yield Section("Model", (model,), half=True)
        yield Section("Run", (run or missing,), half=True)


def check_measures(measures, dce=None):
    """Return measures after checking that they are some, and of the exam's kind.

    Raises
    ------
    BadInput
    """
    hint = "Give the JSON file that 'measure' wrote"
    if not isinstance(measures, dict) or measures.get("format") != FORMAT:
        raise BadInput("These are no measures of lesions", hint=hint)
    kind = measures.get("kind")
    if kind not in ("dce", "mammograms") or dce is not None and (kind == "dce") != dce:
        raise BadInput("The measures are not of this kind of exam", str(kind), "Measure this exam")
    lesions = measures.get("lesions")
    if not isinstance(lesions, list) or not all(isinstance(row, dict) and _placed(row) for row in lesions):
        raise BadInput("The measures are damaged: their lesions are no table", hint=hint)
    return measures


def known_settings(measures):
    """Return the kinetic settings of measures as far as this version knows them."""
    known, found = Settings().to_json(), measures.get("settings")
    return {name: value for name, value in found.items() if name in known} if isinstance(found, dict) else {}


def _placed(row):
    centre = row.get("centroid_lps")
    return isinstance(row.get("label"), int) and isinstance(centre, list) and len(centre) == 3
