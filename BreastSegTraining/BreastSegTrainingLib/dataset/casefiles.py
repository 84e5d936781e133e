"""One case of a dataset: read, prepared as for inference, written whole or not at all; in a process of its own."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from BreastSegLib import __version__
from BreastSegLib.errors import BadInput
from BreastSegLib.exam.dce import DceExam
from BreastSegLib.exam.source import read
from BreastSegLib.files import write_image, write_json
from BreastSegLib.pipeline.batch_reason import texts_without_names
from BreastSegLib.pipeline.together import whole_files
from BreastSegLib.recipe import load_recipe, prepare_cases, prepare_mask, regions_of_mask, restore
from BreastSegLib.volume import Volume

from ..cases.masks import read_lesion_mask, require
from ..cases.views import one_view
from .layout import FORMAT, Layout

SENTENCES = ("notes", "evidence", "contradictions")  # what the record quotes from reading the exam
WORTH_SAYING = 0.05  # of the lesion lost by the preparation: less comes from voxels of another size


@dataclass(frozen=True)
class CaseJob:
    """What a process needs to export one case.

    Parameters
    ----------
    folder : str
        Of the dataset.
    name : str
        Pseudonym.
    case : str
        Name in the table; for messages only.
    part : {'train', 'test'}
    recipe : str
        Name or file.
    source : dict
    masks : tuple of str
    wanted, fixes : tuple of str
        See `cases.masks.read_lesion_mask`.
    view : str
        ``LCC`` …, where the exam may have several views; ''.
    before : tuple of str
        Files that an earlier export has left of this case.
    """

    folder: str
    name: str
    case: str
    part: str
    recipe: str
    source: dict
    masks: tuple
    wanted: tuple = ()
    fixes: tuple = ()
    view: str = ""
    before: tuple = ()


def export_case(job):
    """Export one case and return what came of it.

    Returns
    -------
    dict
        ``record`` (as written) and ``notes`` for the user, which name the case.

    Raises
    ------
    BadInput
        If exam or mask cannot be read, or do not fit each other or the recipe. Nothing was written then.
    """
    recipe = load_recipe(job.recipe)
    exam = one_view(read(job.source), job.view)
    dynamic = isinstance(exam, DceExam)
    geometry = exam.geometry if dynamic else exam.images[0].geometry
    lesion = require(read_lesion_mask(job.masks, geometry, not dynamic, job.wanted, job.fixes), f"case {job.case}")
    regions = regions_of_mask(lesion.array, exam.views[0].name) if recipe.needs_region and not dynamic else ()
    cases = prepare_cases(recipe, exam, regions)
    layout, files, samples, notes = Layout(Path(job.folder)), {}, [], []
    for number, case in enumerate(cases, 1):
        sample = job.name if len(cases) == 1 else f"{job.name}_r{number}"
        label = prepare_mask(case.record, lesion)
        notes += _lost(case, lesion, label, bool(recipe.needs_region))
        for channel, array in enumerate(case.channels):
            files[layout.image(job.part, sample, channel)] = Volume(array, case.geometry)
        files[layout.label(job.part, sample)] = Volume(np.ascontiguousarray(label.array, np.uint8), case.geometry)
        samples.append(_sample(sample, case, label))
    record = {
        "format": FORMAT,
        "extension": __version__,
        "name": job.name,
        "part": job.part,
        "recipe": recipe.name,
        "recipe_hash": recipe.hash,
        "samples": samples,
    }
    if dynamic:
        record["exam_phases"] = [phase.to_json() for phase in exam.phases]
    record = _without_names(record, job.source)
    return {"record": _write(layout, job, files, record), "notes": [f"{job.case}: {note}" for note in notes]}


def _lost(case, lesion, label, region):
    """Return notes about a lesion that the preparation does not keep; refuse one that it loses."""
    inside = lesion.array != 0
    total = int(np.count_nonzero(inside))
    if not total or region:
        return []
    if not label.array.any():
        raise BadInput(
            "The lesion is lost by the preparation: it is smaller than the recipe's voxels or outside its crop"
        )
    lost = np.count_nonzero(inside & (restore(case.record, label.array).array == 0)) / total
    return [f"{lost:.0%} of the mask lies outside what the recipe keeps."] if lost >= WORTH_SAYING else []


def _sample(name, case, label):
    """Return what the record tells of a sample."""
    digest = hashlib.sha256(np.ascontiguousarray(case.channels).tobytes()).hexdigest()
    voxels = int(np.count_nonzero(label.array))
    return {
        "name": name,
        "pixels": digest,
        "lesion_voxels": voxels,
        "record": case.record,
        "channels": list(case.channel_names),
    }


def _without_names(record, source):
    """Return a record whose sentences name no file of the exam and no date; what we name ourselves stays."""
    texts = []
    _sentences(record, texts.append)
    cleaned = iter(texts_without_names(texts, source) if texts else ())
    return _sentences(record, lambda _text: next(cleaned))


def _sentences(value, change, inside=False):
    """Return JSON with every text below a key of `SENTENCES` changed, in order."""
    if isinstance(value, dict):
        return {key: _sentences(part, change, inside or key in SENTENCES) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sentences(part, change, inside) for part in value]
    return change(value) if inside and isinstance(value, str) else value


def _write(layout, job, files, record):
    """Write all files of a case; its record takes its name last, so that a half-written case never counts."""
    target = layout.record(job.name)
    target.unlink(missing_ok=True)  # of an earlier export, whose files are replaced now
    with whole_files([*files, target], overwrite=True) as temporary:
        sizes = {}
        for path, volume in files.items():
            write_image(volume.to_sitk(), temporary[path], path)
            sizes[path.relative_to(layout.folder).as_posix()] = temporary[path].stat().st_size
        record = {**record, "files": sizes}
        write_json(temporary[target], record, overwrite=True)
        for path in map(Path, job.before):
            if path not in files:  # of the other part, or of a region that is gone
                path.unlink(missing_ok=True)
    return record
