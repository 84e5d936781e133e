"""What the tests of kinetics share: an exam with lesions in the scene, and a worker that measures with NumPy."""

import functools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from breastseg_fixtures import breastseg, drain, scene, turnUntil  # noqa: F401

EARLY, LATE = 3, 5  # of a pre-contrast and five post-contrast phases: 180 s and 360 s are nearest to 150 s and 450 s


@functools.cache
def _sample(**options):
    from BreastSegLib.samples.dce import make_dce_exam

    return make_dce_exam(5, posts=5, **options)


def addSampleExam(folder, name="Exam 1", masses=3, shape=(24, 56, 92), spacing=(2.1, 2.1, 3.4)):
    """Add a synthetic exam with its store and the true lesions, and return it, its result and the true mask."""
    from BreastSegLib.exam.store import save_exam
    from BreastSegLib.scene import examnodes, segmentationnode
    from BreastSegLib.scene.sceneexam import SceneExam, SceneResult
    from scipy import ndimage

    made = _sample(masses=masses, shape=shape, spacing=spacing, radius_mm=(6.0, 8.0))
    exam, geometry = made.exam, made.exam.geometry
    store = save_exam(exam, Path(folder) / "store")
    arrays = [volume.array for volume in exam.volumes]
    nodes = drain(examnodes.addPhaseNodes(exam.phases, arrays, geometry, name, (900.0, 450.0)))
    order = tuple(range(len(nodes)))
    inScene = SceneExam(name, str(store), exam.phases, geometry, tuple(nodes), order=order)
    examnodes.showPhase(inScene.reference)
    parts, count = ndimage.label(made.truth.array > 0, np.ones((3, 3, 3)))
    rows = []
    for value in range(1, count + 1):
        centre = geometry.ijk_to_lps @ [*np.argwhere(parts == value).mean(axis=0)[::-1], 1.0]
        side = "right" if centre[0] < 0 else "left"
        rows.append({"label": value, "voxels": int((parts == value).sum()), "side": side, "centroid_lps": centre[:3]})
    segmentation = drain(
        segmentationnode.addSegmentation(
            made.truth.array,
            geometry,
            inScene.reference,
            name=f"{name} segmentation",
            labels={1: "mass"},
            components=rows,
        )
    )
    return inScene, SceneResult(segmentation, tuple(rows), (), {}, {}), parts


def measuresOf(phases, arrays, mask, spacing, names=None, settings=None, tissue=None):
    """Return measures as the worker does, by plain NumPy; early and late phases are those of five post phases."""
    from BreastSegLib.measures.quantities import empty_row
    from BreastSegLib.measures.settings import Settings

    pre, rows = arrays[0].astype(float), []
    types, enhancing = typesOf(arrays), percent(arrays, EARLY) >= 50
    values = sorted((int(v) for v in np.unique(mask) if v), key=lambda value: -int((mask == value).sum()))
    for label, value in enumerate(values, 1):
        own = mask == value
        curve = [float((100 * (array[own] - pre[own]) / pre[own]).mean()) for array in arrays]
        shares = [100 * float((types[own & enhancing] == kind).mean()) for kind in (1, 2, 3)]
        row = empty_row("dce")
        steps = np.diff(curve) / np.diff([phase.time_s for phase in phases])
        row.update(
            label=label,
            value=value,
            name=(names or {}).get(str(value), ""),
            voxels=int(own.sum()),
            centroid_lps=[float(index) for index in np.argwhere(own).mean(axis=0)],
            volume_mm3=float(own.sum() * np.prod(spacing)),
            curve_pct=[0.0, *curve[1:]],
            enhancement_mean_pct=curve[EARLY],
            enhancement_peak_pct=max(curve) + 20,
            ser_mean=float(curve[EARLY] / curve[LATE]),
            curve_type=("persistent", "plateau", "wash-out")[int(np.argmax(shares))],
            persistent_pct=shares[0],
            plateau_pct=shares[1],
            washout_pct=shares[2],
            time_to_peak_s=float(phases[int(np.argmax(curve))].time_s),
            slope_max_pct_per_s=float(steps.max()),
            ftv_mm3=float((own & (percent(arrays, EARLY) >= 70)).sum() * np.prod(spacing)),
        )
        rows.append(row)
    normal = None
    if tissue is not None:
        signal = [float(array[tissue].mean()) for array in arrays]
        curve = [100 * (value / signal[0] - 1) for value in signal]
        normal = {"curve_pct": curve, "voxels": int(tissue.sum())}
    return {
        "format": "breastseg-measures-1",
        "kind": "dce",
        "spacing_known": True,
        "settings": settings or Settings().to_json(),
        "phases": [{"name": phase.name, **phase.to_json()} for phase in phases],
        "lesions": rows,
        "tissue": normal,
        "total": {"volume_mm3": None, "ftv_mm3": None, "lesions": len(rows)},
        "warnings": [],
        "removed": [],
    }


def percent(arrays, phase):
    """Return the enhancement at a phase in percent, 0 where there is no signal."""
    pre = arrays[0].astype(float)
    return np.where(pre > 60, 100 * (arrays[phase] - pre) / np.maximum(pre, 1), 0).astype(np.float32)


def typesOf(arrays):
    """Return 1, 2 and 3 where the signal rises, stays and falls by 10 % after the early phase; 0 without 50 % PE."""
    change = 100 * (arrays[LATE] - arrays[EARLY]) / np.maximum(arrays[EARLY], 1)
    kinds = np.select([change > 10, change >= -10], [1, 2], 3)
    return np.where(percent(arrays, EARLY) >= 50, kinds, 0).astype(np.uint8)


def mapsOf(arrays):
    """Return the maps by their kind."""
    early, late = percent(arrays, EARLY), percent(arrays, LATE)
    ratio = np.where((early >= 5) & (late > 0), early / np.maximum(late, 1), 0).astype(np.float32)
    return {"pe": early, "ser": ratio, "types": typesOf(arrays)}


def phasesIn(store):
    """Return the arrays of an exam store."""
    return [np.load(path) for path in sorted(Path(store).glob("phase_*.npy"))]


def tissueOf(arrays, mask):
    """Return where normal tissue is: signal, no lesion, in the front half."""
    return (arrays[0] > 150) & (mask == 0) & (np.arange(mask.shape[1])[None, :, None] < mask.shape[1] // 2)


class Worker:
    """Stands for the worker's client: answers ``measure`` after some turns, and can be cancelled.

    Parameters
    ----------
    exam : SceneExam
    patience : int
        Turns until the answer.
    """

    def __init__(self, exam, patience=3):
        self.exam, self.patience, self.requests, self.failure = exam, patience, [], None
        self._left, self._cancelled = None, False

    @property
    def arrays(self):
        """list of numpy.ndarray: the phases as they were stored."""
        return phasesIn(self.exam.store)

    @property
    def busy(self):
        return self._left is not None

    def send(self, request, **fields):
        assert not self.busy
        self.requests.append({"request": request, **fields, "maskArray": np.load(fields["mask"])})
        self._left, self._cancelled = self.patience, False
        return len(self.requests)

    def cancel(self):
        self._cancelled = True

    def poll(self):
        if self._left is None:
            return []
        number = len(self.requests)
        if self._cancelled:
            self._left = None
            return [{"event": "error", "id": number, "code": "cancelled", "message": "Cancelled"}]
        self._left -= 1
        if self._left > 0:
            done = self.patience - self._left
            return [{"event": "progress", "id": number, "stage": "Measuring", "done": done, "total": self.patience}]
        self._left = None
        if self.failure:
            return [{"event": "error", "id": number, "code": "bad-input", "message": self.failure}]
        return [self._answer(number, self.requests[-1])]

    def _answer(self, number, request):
        arrays = phasesIn(request["source"]["store"])
        mask, output = request["maskArray"], Path(request["output"])
        output.mkdir(parents=True, exist_ok=True)
        spacing = self.exam.geometry.spacing
        tissue = tissueOf(arrays, mask)
        measures = measuresOf(self.exam.phases, arrays, mask, spacing, request["names"], request["settings"], tissue)
        found = {}
        for kind, array in mapsOf(arrays).items():
            if kind in request.get("maps", ()):
                np.save(output / f"{kind}.npy", array)
                found[kind] = str(output / f"{kind}.npy")
        geometry = self.exam.geometry.to_json()
        return {"event": "result", "id": number, "measures": measures, "geometry": geometry, **found}


KINDS = ("pe", "ser", "types")


class Session:
    """A session with the worker of these tests."""

    def __init__(self, worker, folder):
        self.worker, self.folder, self.closed = worker, folder, 0

    @property
    def workerBusy(self):
        return self.worker.busy

    def measureKinetics(self, exam, report, **options):
        from BreastSegLib.scene import kineticsflow

        return kineticsflow.measureKinetics(self.worker, exam, self.folder, report, **options)

    def cancelWorker(self):
        self.worker.cancel()

    def close(self):
        self.closed += 1


@pytest.fixture
def vtkErrors():
    """What VTK and MRML report as errors or warnings."""
    import vtk

    found = []
    window = vtk.vtkOutputWindow.GetInstance()

    def take(caller, event, text):
        found.append(text)

    take.CallDataType = vtk.VTK_STRING
    tags = [window.AddObserver(event, take) for event in (vtk.vtkCommand.ErrorEvent, vtk.vtkCommand.WarningEvent)]
    yield found
    for tag in tags:
        window.RemoveObserver(tag)


@pytest.fixture
def made(scene, tmp_path):  # noqa: F811
    """An exam with three lesions in the scene, its measured result, and the worker."""
    from BreastSegLib.scene import overlay

    exam, result, parts = addSampleExam(tmp_path)
    worker = Worker(exam)
    names = {str(value): f"name {value}" for value in (1, 2, 3)}
    measures = measuresOf(
        exam.phases, worker.arrays, parts, exam.geometry.spacing, names, tissue=tissueOf(worker.arrays, parts)
    )
    yield SimpleNamespace(exam=exam, result=replace(result, measures=measures), parts=parts, worker=worker)
    overlay.choose(None)


@pytest.fixture(scope="module")
def onlyBox(breastseg):  # noqa: F811
    """One box for all tests, as for the user: scenes come and go."""
    import ctk
    import qt
    from BreastSegLib.panel.kineticsbox import KineticsBox

    group = ctk.ctkCollapsibleButton()
    told, lines = [], []
    session = Session(None, None)
    box = KineticsBox(group, qt.QVBoxLayout(group), session, lines.append, onMeasured=lambda *pair: told.append(pair))
    box.testGroup, box.testSession, box.told, box.lines = group, session, told, lines
    group.show()
    yield box
    box.close()
    group.hide()


@pytest.fixture
def box(onlyBox, made, tmp_path):
    """The box with the exam and its result, in a group of its own."""
    box = onlyBox
    box.testSession.worker, box.testSession.folder, box.testSession.closed = made.worker, tmp_path, 0
    box.told.clear()
    box.thresholds.reset()
    box.ui.kineticsThresholdsGroup.collapsed = True
    box.refresh(True)
    box.show(made.exam, made.result)
    yield box
    made.worker.cancel()
    box.runner.abandon()
    box.show(None, None)


def settle(box):
    turnUntil(lambda: not box.working)


def chooseMap(box, kind):
    """Choose a map as the user does; wait for it."""
    place = ("", *KINDS).index(kind)
    box.ui.kineticsMapBox.setCurrentIndex(place)
    box._onMap(place)
    settle(box)


def mapNode(exam, kind):
    from BreastSegLib.scene import kineticsflow

    return kineticsflow.mapOf(exam, kind)


def tableOf(exam):
    from BreastSegLib.scene import kineticcurves

    return kineticcurves.nodeOf(exam, kineticcurves.TABLE).GetTable()


def column(table, name):
    found = table.GetColumnByName(name)
    return [found.GetValue(row) for row in range(found.GetNumberOfValues())]


def seriesOf(exam):
    from BreastSegLib.scene import kineticcurves

    chart = kineticcurves.chartOf(exam)
    return [chart.GetNthPlotSeriesNode(place) for place in range(chart.GetNumberOfPlotSeriesNodes())]
