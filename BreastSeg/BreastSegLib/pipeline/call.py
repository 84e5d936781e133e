"""What scripts and the command line call: a run in a worker, and its result."""

import shutil
import tempfile
import uuid
from pathlib import Path

from ..inference.client import WorkerClient
from ..inference.reporter import Reporter
from ..inference.resultarrays import load_array
from ..models import find_model
from ..volume import Geometry, Volume
from .measuring import MAPS as MEASURED
from .measuring import measure_exam
from .result import MAPS

ARRAYS = ("mask", "raw", *MAPS)
REST = ("kind", "notes", "record", "timings")


def segment(
    source,
    model,
    device="auto",
    folds=None,
    tta=False,
    cleanup=True,
    probabilities=False,
    on_event=None,
    client=None,
    regions=(),
    shortcuts=True,
    settings=None,
    **maps,
):
    """Segment an exam in a worker and wait for the result.

    Parameters
    ----------
    source : dict
        ``{"folder": DIR}``, ``{"files": [pre, post1, …]}`` … (see `exam.source.read`).
    model : str or Path
        Library name or model folder.
    device : {'auto', 'cuda', 'cpu'}
    folds : sequence, optional
        All when not given.
    tta, cleanup : bool
        Average over mirrorings; apply the recipe's clean-up.
    probabilities : bool
        Also return the chance of a lesion.
    on_event : callable, optional
        Called with every progress event.
    client : WorkerClient, optional
        A worker that stays warm between calls; one is started and ended when not given.
    regions : sequence of dict
        Around lesions, for models whose recipe cuts them out (`recipe.regions.read_region`).
    shortcuts : bool
        Of a DCE exam, leave out tiles outside the breast, and look closely only where something is seen.
    settings : dict, optional
        Thresholds of the kinetics, see `measures.Settings`.
    **maps : bool
        ``disagreement``: also return the standard deviation of the chance of a lesion over folds and models, 0 to 0.5.
        ``entropy``: also return the entropy of that chance, in bits, 0 to 1.

    Returns
    -------
    dict
        ``kind``: ``dce`` or ``mammograms``; ``measures`` (docs/measures.md), ``notes``, ``record``, ``timings``. Of a
        DCE exam: ``mask``, ``raw`` (uint8) and the maps asked for (float32) as `Volume`; ``components``, ``removed``.
        Of mammograms: ``views``, a list of dict with these and the name of the ``view``.

    Raises
    ------
    BreastSegError
    """
    _check_maps(maps)
    own = client is None
    client = client or WorkerClient()
    try:
        client.start()
        output = client.folder / f"result-{uuid.uuid4().hex[:8]}"
        folder = str(find_model(model, verify=False).folder)  # the worker compares the checksums
        options = {"device": device, "folds": folds, "tta": tta, "cleanup": cleanup, "shortcuts": shortcuts}
        options |= {"regions": list(regions), "probabilities": probabilities, "settings": settings, **maps}
        options |= {"source": absolute_source(source), "model": folder, "output": str(output)}
        return loaded(client.wait(client.send("predict", **options), on_event))
    finally:
        if own:
            client.close()


def measure(
    source,
    mask,
    probabilities=None,
    model="",
    connected=True,
    names=None,
    settings=None,
    maps=(),
    removed=None,
    raw=None,
    on_event=None,
    client=None,
):
    """Measure the lesions of a mask on an exam.

    Parameters
    ----------
    source : dict
        As for `segment`.
    mask : str, Path or list of these
        File on the exam's own grid; of mammograms one for each view in hanging order, None where there is none.
    probabilities, raw : str, Path or list of these, optional
        Files with the chance of a lesion, and with the mask before the clean-up.
    model : str or Path, optional
        Name or folder: the warnings tell whether the exam is like those that it was trained on.
    connected : bool
        Whether each connected piece of a label is a lesion; else each label is one.
    names : dict of int to str, optional
        Names of labels.
    settings : dict, optional
        Thresholds of the kinetics, see `measures.Settings`.
    maps : sequence of str
        ``pe``, ``ser``, ``types``: maps of enhancement to return, of DCE exams.
    removed : sequence of dict, optional
        What a clean-up removed, as `segment` returns it.
    on_event : callable, optional
        Called with every progress event.
    client : WorkerClient, optional
        A worker to do it in; in this process when not given, as no torch is needed.

    Returns
    -------
    dict
        ``kind``, ``measures`` (see docs/measures.md), ``notes``, and the maps as `Volume`.

    Raises
    ------
    BreastSegError
    """
    request = {"source": absolute_source(source), "mask": _absolute(mask), "chance": _absolute(probabilities)}
    request |= {"raw": _absolute(raw), "model": str(find_model(model, verify=False).folder) if model else ""}
    request |= {"connected": connected, "settings": settings, "maps": list(maps)}
    request |= {"names": {str(value): name for value, name in (names or {}).items()}}
    request |= {"removed": None if removed is None else list(removed)}
    if client is None:
        report = Reporter(lambda **event: on_event and on_event(event), 0, lambda _: False)
        with tempfile.TemporaryDirectory(prefix="breastseg-") as folder:
            return _measured(measure_exam({**request, "output": folder}, report))
    client.start()
    output = client.folder / f"measures-{uuid.uuid4().hex[:8]}"
    try:
        return _measured(client.wait(client.send("measure", output=str(output), **request), on_event))
    finally:
        shutil.rmtree(output, ignore_errors=True)


def _measured(answer):
    """Return what an answer describes, its maps in memory."""
    result = {name: answer[name] for name in ("kind", "measures", "notes")}
    for name in MEASURED:
        if name in answer:
            geometry = Geometry.from_json(answer["geometry"])
            result[name] = Volume(load_array(answer[name], geometry.shape), geometry)
    return result


def _absolute(paths):
    if isinstance(paths, (list, tuple)):
        return [_absolute(path) for path in paths]
    return None if paths is None else str(Path(paths).resolve())


def _check_maps(maps):
    unknown = set(maps) - set(MAPS)
    if unknown:
        raise TypeError(f"segment() got an unexpected argument {', '.join(sorted(unknown))}")


def absolute_source(source):
    """Return `source` with absolute paths: the worker runs in another folder."""
    fixed = dict(source)
    for key in ("folder", "store"):
        if key in fixed:
            fixed[key] = str(Path(fixed[key]).resolve())
    for key in ("files", "dicom", "channels", "views"):
        if key in fixed:
            fixed[key] = [str(Path(path).resolve()) for path in fixed[key]]
    return fixed


def loaded(event):
    """Return the result that an event describes, its arrays in memory."""
    result = {name: event[name] for name in REST}
    result["measures"] = event.get("measures")
    if event["kind"] == "mammograms":
        return {**result, "views": [{**row, **_arrays(row)} for row in event["views"]]}
    return {**result, **_arrays(event), "components": event["components"], "removed": event["removed"]}


def _arrays(row):
    geometry = Geometry.from_json(row["geometry"])
    return {name: Volume(load_array(row[name], geometry.shape), geometry) for name in ARRAYS if name in row}
