"""What the lesions of a mask measure: at the end of a run, or of any mask on an exam."""

import sys
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import BadInput, BreastSegError, Cancelled
from ..exam.dce import DceExam
from ..exam.mammograms.breast import outline
from ..exam.mask_files import read_mask_file, read_reference_mask, source_files
from ..exam.source import read
from ..files import read_json, write_error
from ..measures import (
    Known,
    Settings,
    components_only,
    differences,
    failed,
    inputs_of,
    lesion_voxels,
    maps,
    measure_dce,
    measure_mammograms,
    training_of,
)
from ..models import find_model
from ..models.archive import FINGERPRINT
from ..recipe import load_recipe, prepare_cases
from ..recipe.breast_mri import breast_mask
from ..recipe.cleanup import label_components
from ..volume import Volume
from .comparing import compared
from .phasemotion import phase_motion

STAGE = "Measuring"
MAPS = {name: np.uint8 if name == "types" else np.float32 for name in maps.MAPS}  # and the type of its voxels
ROUNDING = 1e-3  # of probabilities


@dataclass(frozen=True)
class Asked:
    """What is measured, and how.

    Parameters
    ----------
    settings : Settings
        Thresholds of the kinetics.
    connected : bool
        Whether each connected piece of a label is a lesion; else each label is one.
    names : dict of int to str
        Names of label values, as segments have them.
    removed : tuple of dict
        What the clean-up removed, as a run tells it.
    """

    settings: Settings = field(default_factory=Settings)
    connected: bool = True
    names: dict = field(default_factory=dict)
    removed: tuple = ()


def asked_of(request):
    """Return the `Asked` of a request.

    Raises
    ------
    BadInput
        If a setting or a name is not possible.
    """
    try:
        names = {int(value): str(name) for value, name in (request.get("names") or {}).items()}
    except (ValueError, AttributeError) as error:
        raise BadInput("The names of segments belong to whole numbers", repr(request["names"])[:80]) from error
    connected = request.get("connected")
    return Asked(
        Settings.from_json(request.get("settings")),
        True if connected is None else bool(connected),
        names,
        tuple(request.get("removed") or ()),
    )


def measure_exam(request, report):
    """Measure the lesions of masks on an exam (worker side; needs no torch).

    Parameters
    ----------
    request : dict
        The fields of a ``measure`` message: ``source``, ``mask`` (file; of mammograms a list with one for each view,
        None where there is none), ``output`` (private folder for maps), and optionally ``chance`` and ``raw`` (files
        like the mask), ``removed``, ``connected``, ``names``, ``settings``, ``maps`` (of `MAPS`), ``model`` (name or
        folder: is the exam like those that it was trained on?), ``former`` (measures of this exam, from which what
        does not depend on the mask is taken), ``other`` (masks of another segmentation: how far do both agree?).
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        ``kind``, ``measures``, ``geometry`` (of mammograms ``geometries``), ``notes`` of the exam, and the path of
        each map that was asked for.

    Raises
    ------
    BreastSegError
    """
    asked = asked_of(request)
    wanted = _wanted_maps(request)
    exam = read(request["source"], report)
    report(STAGE, 0, 1)
    dce = isinstance(exam, DceExam)
    if wanted and not dce:
        raise BadInput("There are no maps of enhancement of mammograms", ", ".join(wanted), "Leave them out")
    masks = read_masks(exam, request["mask"])
    chances = read_chances(exam, request.get("chance"))
    if request.get("removed") is None and request.get("raw"):
        asked = replace(asked, removed=_removed(masks, read_masks(exam, request["raw"])))
    former = request.get("former") or {}
    training = inputs = None
    if request.get("model"):
        training, inputs = _training_and_inputs(request["model"], exam, masks, former.get("inputs"), report)
    measures = measured(exam, masks, chances, asked, report, training, inputs or (), former.get("motion"))
    if request.get("other"):
        measures["agreement"] = compared(exam, masks, read_masks(exam, request["other"]))
    answer = {"kind": measures["kind"], "measures": measures, "notes": list(exam.notes)}
    if dce:
        answer["geometry"] = exam.geometry.to_json()
    else:
        answer["geometries"] = [image.geometry.to_json() for image in exam.images]
    return answer | _write_maps(exam, wanted, asked.settings, request["output"], report)


def measured(exam, masks, chances, asked, report, training=None, inputs=(), motion=None):
    """Return the measures of lesions.

    Parameters
    ----------
    exam : DceExam or MammographyExam
    masks : sequence of (Volume or None)
        uint8 labels on the exam's own grid: one, or one for each view.
    chances : sequence of (Volume or None)
        The chance of a lesion, likewise.
    asked : Asked
    report : callable
    training : Training, optional
        Of the model.
    inputs : sequence of dict
        What the model gets of this exam, see `measures.inputs_of`.
    motion : list, optional
        What ``motion`` said in earlier measures of this exam.

    Returns
    -------
    dict
        ``"format": "breastseg-measures-1"``, see docs/measures.md.
    """
    kind = "dce" if isinstance(exam, DceExam) else "mammograms"
    acquired = exam.geometry.spacing if kind == "dce" and exam.spacing_known else None
    unlike = [] if training is None else differences(training, kind, inputs, acquired)
    known = Known(
        chances=tuple(chances),
        connected=asked.connected,
        names=asked.names,
        removed=asked.removed,
        differences=tuple(unlike),
        inputs=tuple(inputs),
    )
    if kind == "mammograms":
        report(STAGE, 0, 2)
        breasts = tuple(_outlined(image, mask) for image, mask in zip(exam.images, masks))
        report(STAGE, 1, 2)
        made = measure_mammograms(exam, masks, replace(known, breasts=breasts))
        report(STAGE, 2, 2)
        return made
    report(STAGE, 0, 4)
    breast = breast_mask(exam.volumes[exam.reference])
    report(STAGE, 1, 4)
    figures = (motion["rows"], motion["corrected"]) if motion else phase_motion(exam, lambda: report(STAGE, 1, 4))
    report(STAGE, 2, 4)
    known = replace(
        known,
        breasts=(breast.mask if breast.found else None,),
        thorax_seen=not breast.note,
        motion=figures,
    )
    made = measure_dce(exam, masks[0], asked.settings, known, lambda *_: report(STAGE, 2, 4))
    report(STAGE, 4, 4)
    return made


def measured_run(exam, findings, asked, report, look):
    """Return the measures of what a run found. Whatever goes wrong, the result of the run stays: then they say so.

    Parameters
    ----------
    findings : list of Finding
        One, or one for each view that has a result.
    look : callable
        Returns the `Training` of the model and what the model got of the exam.
    """
    kind = "dce" if isinstance(exam, DceExam) else "mammograms"
    places = [0] if kind == "dce" else range(len(exam.images))
    by_place = {finding.index: finding for finding in findings}
    removed = []
    for finding in findings:
        view = {} if finding.view is None else {"view": finding.view.name, "view_index": finding.index}
        removed += [{**row, **view} for row in finding.removed]
    masks = [by_place[index].mask if index in by_place else None for index in places]
    chances = [by_place[index].chance if index in by_place else None for index in places]
    try:
        report(STAGE, 0, 1)
        return measured(exam, masks, chances, replace(asked, removed=tuple(removed)), report, *look())
    except (Cancelled, BrokenPipeError):
        raise
    except Exception as error:
        sys.stderr.write(traceback.format_exc())  # the worker's log
        reason = error.line.rstrip(".") if isinstance(error, BreastSegError) else type(error).__name__
        if isinstance(error, MemoryError):
            reason = "the computer has too little memory"
        rows = [{**row, **_view_of(finding)} for finding in findings for row in finding.components]
        return components_only(kind, rows, asked.settings, removed, [failed(reason)], exam)


def training_of_model(model):
    """Return the `Training` of a model; of an ensemble that of its first member."""
    first = model.parts[0]
    recipe = load_recipe(model.recipe_source)
    plans, path = read_json(first.folder / "plans.json"), first.folder / FINGERPRINT
    try:
        fingerprint = read_json(path) if path.is_file() else None
    except BadInput:  # it serves for a warning only
        fingerprint = None
    kinds = tuple(kind for kind in ("dce", "mammograms") if recipe.fits(kind))
    return training_of(plans, fingerprint if isinstance(fingerprint, dict) else None, kinds, not recipe.fixed_size)


def inputs_of_cases(cases, mask):
    """Return what the network gets of prepared cases (see `measures.inputs_of`).

    Parameters
    ----------
    cases : sequence of Prepared
    mask : Volume or None
        Of a DCE exam, on its own grid: where its lesions lie in the channels.
    """
    rows = []
    for case in cases:
        lesion = None if mask is None else lesion_voxels(mask, case.geometry)
        known = case.record.get("view", {}).get("spacing_known", True)
        rows.append(inputs_of(case.name, case.channels, case.channel_names, case.geometry, lesion, known))
    return rows


def read_masks(exam, paths):
    """Return the masks of an exam, one or one for each view (None where there is none), as uint8 labels."""
    return [
        None if path is None else read_reference_mask(path, geometry, flat, source_files(exam, index))
        for index, (path, geometry, flat) in enumerate(_files(exam, paths, "mask"))
    ]


def read_chances(exam, paths):
    """Return the chances of a lesion, one or one for each view (None where there is none), as float32."""
    if paths is None:
        return [None] * (1 if isinstance(exam, DceExam) else len(exam.images))
    found = []
    for path, geometry, flat in _files(exam, paths, "map of probabilities"):
        found.append(None if path is None else _chance(path, geometry, flat))
    return found


def _files(exam, paths, what):
    """Return (path, geometry, whether it is a mammogram) of the files of an exam."""
    if isinstance(exam, DceExam):
        if isinstance(paths, (list, tuple)):
            if len(paths) != 1:
                raise BadInput(f"A DCE-MRI exam has one {what}", f"{len(paths)} files", "Give one file")
            paths = paths[0]
        return [(paths, exam.geometry, False)]
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if len(paths) != len(exam.images):
        names = ", ".join(view.name for view in exam.views)
        raise BadInput(
            f"Each mammogram needs one {what}", f"{len(paths)} files for {names}", "Give one for each, in this order"
        )
    return [(path, image.geometry, True) for path, image in zip(paths, exam.images)]


def _chance(path, geometry, flat):
    if str(path).endswith(".npy"):
        # As the worker wrote it: it can stay on the disk.
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise BadInput("The map of probabilities cannot be read", path, "Save it again") from error
        own = None
    else:
        array, own = read_mask_file(path, flat)
    if array.shape != geometry.shape or (own is not None and not flat and not own.same_grid(geometry)):
        raise BadInput("The map of probabilities does not lie on the exam's grid", path, "Give that of this exam")
    low, high = float(array.min()), float(array.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise BadInput(f"Probabilities are from 0 to 1, not {low:.3g} to {high:.3g}", path)
    return Volume(array, geometry)


def _removed(masks, raws):
    """Return rows, as the clean-up gives them, of the regions that only the raw masks have."""
    rows = []
    for mask, raw in zip(masks, raws):
        if raw is None:
            continue
        only = Volume(np.where(mask.array == 0, raw.array, 0) if mask is not None else raw.array, raw.geometry)
        _, found = label_components(only)
        rows += [{"step": "", "change": "removed", **row} for row in found]
    return tuple(rows)


def _training_and_inputs(name, exam, masks, former, report):
    """Return what a model was trained on and what it gets of this exam; the exam is prepared if need be."""
    model = find_model(name, verify=False)
    training = training_of_model(model)
    dce = isinstance(exam, DceExam)
    if former:
        return training, former
    recipe = load_recipe(model.recipe_source)
    if not recipe.fits("dce" if dce else "mammograms") or recipe.needs_region:
        return training, ()
    try:
        cases = prepare_cases(recipe, exam, (), report)
    except BadInput:  # of an exam that the model cannot be run on, the rest is told all the same
        return training, ()
    return training, inputs_of_cases(cases, masks[0] if dce else None)


def _outlined(image, mask):
    """Return where the breast is in a mammogram, bool (1, y, x), or None where nothing stands out."""
    if mask is None:
        return None
    found = outline(image.array[0])
    if not found.mask.any():
        return None
    rows, columns = (
        np.minimum(np.arange(n) // found.step, m - 1) for n, m in zip(image.array.shape[1:], found.mask.shape)
    )
    return found.mask[np.ix_(rows, columns)][None]


def _wanted_maps(request):
    wanted = tuple(dict.fromkeys(request.get("maps") or ()))
    unknown = [name for name in wanted if name not in MAPS]
    if unknown:
        raise BadInput("There is no such map", ", ".join(map(str, unknown)), "Maps: " + ", ".join(MAPS))
    return wanted


def _write_maps(exam, wanted, settings, folder, report):
    """Write maps as ``pe.npy`` … and return their paths; those that the phases do not allow are left out.

    They are 0 outside the breasts: heart and vessels of the chest enhance most, and would draw the eye.
    """
    paths = {}
    possible = maps.possible_maps(exam.phases, settings) if wanted else ()
    wanted = [name for name in wanted if name in possible]
    breast = breast_mask(exam.volumes[exam.reference]).mask if wanted else None
    for name in wanted:
        path = Path(folder) / f"{name}.npy"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            array = np.lib.format.open_memmap(path, "w+", MAPS[name], exam.geometry.shape)
            maps.MAPS[name](exam, settings, array, report, breast)
            array.flush()
        except OSError as error:
            raise write_error(error, folder) from error
        paths[name] = str(path)
    return paths


def _view_of(finding):
    return {} if finding.view is None else {"view": finding.view.name, "view_index": finding.index}
