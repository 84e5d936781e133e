"""What scripts and the command line call: a run in a worker, and its result."""

import uuid
from pathlib import Path

from ..inference.client import WorkerClient
from ..inference.resultarrays import load_array
from ..models import find_model
from ..volume import Geometry, Volume
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
    **maps,
):
    """Segment an exam in a worker and wait for the result.

    Parameters
    ----------
    source : dict
        ``{"folder": DIR}``, ``{"files": [pre, post1, …]}``, ``{"views": [FILE]}`` … (see `exam.source.read`).
    model : str or Path
        Library name or model folder.
    device : {'auto', 'cuda', 'cpu'}
    folds : sequence, optional
        All folds of the model when not given.
    tta : bool
        Average over mirrorings.
    cleanup : bool
        Apply the recipe's clean-up.
    probabilities : bool
        Also return the chance of a lesion for every voxel.
    on_event : callable, optional
        Called with every progress event.
    client : WorkerClient, optional
        A worker that stays warm between calls; one is started and ended when not given.
    regions : sequence of dict
        Regions around lesions, for models whose recipe cuts them out (`recipe.regions.read_region`).
    shortcuts : bool
        Of a DCE exam, leave out tiles outside the breast, and look closely only where something is seen.
    **maps : bool
        ``disagreement``: also return the standard deviation of the chance of a lesion over folds and models, 0 to 0.5.
        ``entropy``: also return the entropy of that chance, in bits, 0 to 1.

    Returns
    -------
    dict
        ``kind``: ``dce`` or ``mammograms``; ``notes``, ``record``, ``timings``. Of a DCE exam: ``mask``, ``raw``
        (uint8) and the maps asked for (float32) as `Volume`; ``components``, ``removed``. Of mammograms: ``views``, a
        list of dict with these and the name of the ``view``.

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
        options |= {"regions": list(regions), "probabilities": probabilities, **maps}
        source = absolute_source(source)
        request = client.send("predict", source=source, model=folder, output=str(output), **options)
        return loaded(client.wait(request, on_event))
    finally:
        if own:
            client.close()


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
    if event["kind"] == "mammograms":
        return {**result, "views": [{**row, **_arrays(row)} for row in event["views"]]}
    return {**result, **_arrays(event), "components": event["components"], "removed": event["removed"]}


def _arrays(row):
    geometry = Geometry.from_json(row["geometry"])
    return {name: Volume(load_array(row[name], geometry.shape), geometry) for name in ARRAYS if name in row}
