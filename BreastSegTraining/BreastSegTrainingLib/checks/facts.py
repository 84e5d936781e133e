"""What the files of one case tell, read once; small, and ready for JSON."""

import hashlib
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from BreastSegLib.errors import BadInput, BreastSegError, Undecided
from BreastSegLib.exam.dce import Phase
from BreastSegLib.exam.source import read
from BreastSegLib.pipeline.batch_reason import texts_without_names

from ..cases import Case, CaseTable
from ..cases.masks import read_lesion_mask
from ..cases.views import one_view, wanted_view
from .headers import SIDES, read_headers
from .lesion import place_in_mammogram, place_in_mri
from .thumbnail import write_thumbnail

DCE, MAMMOGRAM = "dce", "mammogram"
_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class Facts:
    """What was read of a case. Nothing in it tells who the patient is, except `identity`, which is never written.

    Parameters
    ----------
    kind : {'dce', 'mammogram', ''}
        '' when the exam could not be read.
    problem, mask_problem : str
        Why exam or mask could not be read: one sentence.
    shape : list of int
        (z, y, x).
    spacing : list of float
        Along (x, y, z), mm; of a mammogram (x, y).
    spacing_known : bool
    phases : list of dict
        ``role``, ``number``, ``time_s`` of each phase; empty for mammograms.
    file_numbers : list of int
        Numbers in the names of image files, one a phase; empty where there are none.
    pixels : list of str
        SHA-256 of the values of each phase or of the view.
    complaints : list of list of str
        Code, text and fix of each complaint about the mask (`cases.masks.Complaint`).
    labels : dict of str to int
        Voxels of each label of the mask files.
    mask_hash : str
        SHA-256 of the lesion mask.
    voxels : int
    volume_mm3, area_mm2 : float or None
        None where it is not known.
    components : int
    side : {'left', 'right', 'both', ''}
        Breast with the lesion; of a mammogram the side that the view shows.
    outside : float or None
        Share of the mask outside the breast; None where no breast was found.
    blank, lesion_on_blank : int
        Slices that are constant in all phases, and voxels of the mask on them.
    laterality : {'left', 'right', ''}
        By DICOM headers or the file's own words.
    view : str
        ``CC`` …; of mammograms.
    contradictions : list of str
        Tags of a mammogram that say otherwise than those that decided.
    scanner : str
    field_strength : float or None
    notes : list of str
        What the reader noticed, without file names.
    identity : str
        Salted hash of who it is (`headers.Headers`); of this run only.
    """

    kind: str = ""
    problem: str = ""
    mask_problem: str = ""
    shape: list = field(default_factory=list)
    spacing: list = field(default_factory=list)
    spacing_known: bool = True
    phases: list = field(default_factory=list)
    file_numbers: list = field(default_factory=list)
    pixels: list = field(default_factory=list)
    complaints: list = field(default_factory=list)
    labels: dict = field(default_factory=dict)
    mask_hash: str = ""
    voxels: int = 0
    volume_mm3: float | None = None
    area_mm2: float | None = None
    components: int = 0
    side: str = ""
    outside: float | None = None
    blank: int = 0
    lesion_on_blank: int = 0
    laterality: str = ""
    view: str = ""
    contradictions: list = field(default_factory=list)
    scanner: str = ""
    field_strength: float | None = None
    notes: list = field(default_factory=list)
    identity: str = field(default="", repr=False)

    @property
    def unread(self):
        """bool: whether something could not be read, so that it is tried again next time."""
        return bool(self.problem or self.mask_problem)

    @property
    def phase_list(self):
        """tuple of Phase: the phases, for `BreastSegLib.recipe.channels.problem_with`."""
        return tuple(Phase(p["role"], p["number"], p["time_s"]) for p in self.phases)

    def to_json(self):
        """dict: the facts without the identity."""
        record = asdict(self)
        del record["identity"]
        return record

    @classmethod
    def from_json(cls, record):
        """Return the facts that `to_json` described.

        Raises
        ------
        BadInput
            If the record is not one.
        """
        kinds = {f.name: _kind(f) for f in fields(cls) if f.name != "identity"}
        if not isinstance(record, dict) or set(record) != set(kinds):
            raise BadInput("These are not the facts of a case")
        for name, value in record.items():
            if not isinstance(value, kinds[name]) or (isinstance(value, bool) and kinds[name] is not bool):
                raise BadInput("These are not the facts of a case", name)
        facts = cls(**record)
        try:
            facts.phase_list  # noqa: B018 - refuses phases that are none
            sound = all(len(complaint) == 3 for complaint in facts.complaints)
        except (BadInput, KeyError, TypeError) as error:
            raise BadInput("These are not the facts of a case", "phases") from error
        if not sound or facts.kind not in (DCE, MAMMOGRAM, ""):
            raise BadInput("These are not the facts of a case", "kind")
        return facts


@dataclass(frozen=True)
class Item:
    """What a process needs to gather the facts of a case.

    Parameters
    ----------
    folder : str
        That the table's paths start from.
    values : dict of str to str
        The row.
    salt : bytes
        For `Facts.identity`.
    thumbnail : str
        File to write the thumbnail to; '' for none.
    """

    folder: str
    values: dict
    salt: bytes = b""
    thumbnail: str = ""


def gather(item):
    """Return the `Facts` of a case; what cannot be read is told in them."""
    table, case = CaseTable((), item.folder), Case(item.values)
    try:
        source = table.source(case)
        exam = one_view(read(source), wanted_view(case))
    except BreastSegError as error:
        return Facts(problem=_told(error))
    headers = read_headers(source, item.salt)
    facts, volume = _of_mammogram(exam, headers) if hasattr(exam, "views") else _of_dce(exam, headers)
    notes = texts_without_names([*exam.notes, *facts.contradictions], source)
    facts = replace(facts, notes=notes[: len(exam.notes)], contradictions=notes[len(exam.notes) :])
    mask = None
    try:
        lesion = read_lesion_mask(
            table.mask_paths(case), volume.geometry, facts.kind == MAMMOGRAM, case.parts("label")
        )
    except BreastSegError as error:
        facts = replace(facts, mask_problem=error.line)
    else:
        mask = None if lesion.volume is None else lesion.volume.array
        facts = _with_lesion(facts, exam, volume, lesion, mask)
    if item.thumbnail:
        write_thumbnail(Path(item.thumbnail), volume, mask)
    return facts


def identities(items):
    """Return the identities of several cases whose other facts are known, in order."""
    found = []
    for item in items:
        try:
            found.append(read_headers(CaseTable((), item.folder).source(Case(item.values)), item.salt).identity)
        except BreastSegError:
            found.append("")
    return found


def digest(array):
    """Return the SHA-256 of an array's shape and values (z, y, x), read as float32."""
    found = hashlib.sha256(str(tuple(array.shape)).encode())
    for plane in array:
        # Adding zero makes -0 and 0 the same.
        found.update(np.ascontiguousarray(plane, np.float32) + np.float32(0))
    return found.hexdigest()


def _of_dce(exam, headers):
    """Return the facts of a dynamic without its lesion, and its reference phase."""
    arrays = [volume.array for volume in exam.volumes]
    facts = Facts(
        DCE,
        shape=list(exam.geometry.shape),
        spacing=[round(s, 6) for s in exam.geometry.spacing],
        spacing_known=exam.spacing_known,
        phases=[{"role": p.role, "number": p.number, "time_s": p.time_s} for p in exam.phases],
        file_numbers=_file_numbers(exam.phases),
        pixels=[digest(array) for array in arrays],
        blank=int(np.count_nonzero(_blank(arrays))),
        laterality=headers.laterality,
        scanner=headers.scanner,
        field_strength=headers.field_strength,
        identity=headers.identity,
    )
    return facts, exam.volumes[exam.reference]


def _of_mammogram(exam, headers):
    view, image = exam.views[0], exam.images[0]
    side = SIDES.get(view.laterality, "")
    facts = Facts(
        MAMMOGRAM,
        shape=list(image.geometry.shape),
        spacing=[round(s, 6) for s in view.spacing or ()],
        spacing_known=view.spacing is not None,
        pixels=[digest(image.array)],
        side=side,
        laterality=side,
        view=view.position,
        contradictions=list(view.contradictions),
        scanner=headers.scanner,
        identity=headers.identity,
    )
    return facts, image


def _with_lesion(facts, exam, volume, lesion, mask):
    complaints = [[complaint.code, complaint.text, complaint.fix] for complaint in lesion.complaints]
    facts = replace(facts, complaints=complaints, labels=dict(lesion.labels), notes=[*facts.notes, *lesion.notes])
    if mask is None:
        return facts
    voxels = int(np.count_nonzero(mask))
    mask_hash = hashlib.sha256(np.packbits(mask != 0)).hexdigest()
    facts = replace(facts, voxels=voxels, mask_hash=mask_hash)
    if facts.kind == MAMMOGRAM:
        place = place_in_mammogram(mask[0], volume.array[0], tuple(facts.spacing) or None)
        area = voxels * float(np.prod(facts.spacing)) if facts.spacing_known else None
        return replace(facts, area_mm2=area, components=place.components, outside=place.outside)
    place = place_in_mri(mask, volume, exam.phases[0].role != "channel")
    on_blank = int(np.count_nonzero(mask[_blank([v.array for v in exam.volumes])])) if facts.blank else 0
    size = voxels * volume.geometry.voxel_volume if facts.spacing_known else None
    return replace(
        facts,
        volume_mm3=size,
        components=place.components,
        side=place.side,
        outside=place.outside,
        lesion_on_blank=on_blank,
    )


def _blank(arrays):
    """Return which slices are constant in every phase."""
    return np.all([array.min(axis=(1, 2)) == array.max(axis=(1, 2)) for array in arrays], axis=0)


def _file_numbers(phases):
    """Return the last number in the name of each phase's file, if each phase has one file and all have a number."""
    if any(len(phase.files) != 1 for phase in phases):
        return []
    names = [re.sub(r"(\.[a-z]+)+$", "", Path(phase.files[0]).name.lower()) for phase in phases]
    found = [_NUMBER.search(name) for name in names]
    return [int(match[1][:9]) for match in found] if all(found) else []


def _told(error):
    """Return why an exam cannot be read; of a question how the table answers it."""
    if not isinstance(error, Undecided) or not error.name:
        return error.line
    answers = " or ".join(f"{error.name}={value} ({text})" for value, text in error.choices)
    return BadInput(error.what, error.where, f"Write in the column choose: {answers}").line


def _kind(one):
    """Return what a value of a field may be an instance of."""
    kinds = {"str": str, "list": list, "dict": dict, "bool": bool, "int": int}
    text = one.type if isinstance(one.type, str) else getattr(one.type, "__name__", "")
    return kinds.get(text, (int, float, type(None)))
