"""What scripts and the command line call: a run in a worker, and its result."""

import uuid
from pathlib import Path

import numpy as np

from ..inference.client import WorkerClient
from ..models import find_model
from ..volume import Geometry, Volume

ARRAYS = ("mask", "raw", "probabilities")
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

    Returns
    -------
    dict
        ``kind``: ``dce`` or ``mammograms``; ``notes``, ``record``, ``timings``. Of a DCE exam: ``mask``, ``raw``
        (uint8) and, if asked for, ``probabilities`` (float32) as `Volume`; ``components``, ``removed``. Of mammograms:
        ``views``, a list of dict with these and the name of the ``view``.

    Raises
    ------
    BreastSegError
    """
    own = client is None
    client = client or WorkerClient()
    try:
        client.start()
        output = client.folder / f"result-{uuid.uuid4().hex[:8]}"
        folder = str(find_model(model, verify=False).folder)  # the worker compares the checksums
        options = {"device": device, "folds": folds, "tta": tta, "cleanup": cleanup, "probabilities": probabilities}
        request = client.send(
            "predict",
            source=absolute_source(source),
            model=folder,
            regions=list(regions),
            output=str(output),
            **options,
        )
        return _loaded(client.wait(request, on_event))
    finally:
        if own:
            client.close()


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


def _loaded(event):
    """Return the result that an event describes, its arrays in memory."""
    result = {name: event[name] for name in REST}
    if event["kind"] == "mammograms":
        return {**result, "views": [{**row, **_arrays(row)} for row in event["views"]]}
    return {**result, **_arrays(event), "components": event["components"], "removed": event["removed"]}


def _arrays(row):
    geometry = Geometry.from_json(row["geometry"])
    return {name: Volume(np.load(row[name]), geometry) for name in ARRAYS if name in row}
