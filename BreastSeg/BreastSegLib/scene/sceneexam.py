"""What is in the scene: an exam with its phases, or one with its mammograms."""

from dataclasses import dataclass, field

from ..volume import Geometry
from . import examnodes
from .companions import Companions
from .texts import _


@dataclass(frozen=True)
class SceneExam:
    """A DCE exam that is in the scene.

    Parameters
    ----------
    name : str
        What its nodes are called; no patient data.
    store : str
        Folder of the exam's arrays (`exam.store`); '' when the nodes are all there is, as after a scene was loaded.
    phases : tuple of Phase
        In time order.
    geometry : Geometry or None
        The grid of the arrays; None without a store.
    nodes : tuple of vtkMRMLScalarVolumeNode
        One for each phase.
    notes : tuple of str
        Sentences worth reading.
    order : tuple of int
        Which array of `store` each phase has.
    percent : tuple of float
        Mean enhancement of the breast in each array of `store`, in percent of the first; empty when unknown.
    motion : tuple of dict
        Motion of each array before and after its correction (``before_mm``, ``after_mm``); empty without correction.
    companions : Companions
        The Sequence and the plot.
    spacingKnown : bool
        Whether the files tell the voxel size; otherwise it is 1 mm, and lengths mean nothing.
    decisions : dict of str to str
        What the user decided where the files left it open.
    """

    name: str
    store: str
    phases: tuple
    geometry: Geometry | None
    nodes: tuple
    notes: tuple = ()
    order: tuple = ()
    percent: tuple = ()
    motion: tuple = ()
    companions: Companions = Companions()
    spacingKnown: bool = True
    decisions: dict = field(default_factory=dict)

    kind = "dce"

    @property
    def reference(self):
        """vtkMRMLScalarVolumeNode: the phase that is shown and segmented on."""
        return self.nodes[examnodes.referenceIndex(self.phases)]

    @property
    def enhancement(self):
        """tuple of float: mean enhancement of each phase in percent of the first one shown; empty when unknown."""
        if len(self.percent) < len(self.nodes) or not self.order:
            return ()
        signals = [1.0 + self.percent[index] / 100.0 for index in self.order]
        if not signals[0] > 0:
            return ()
        return tuple(round(100.0 * (signal / signals[0] - 1.0), 2) for signal in signals)


@dataclass(frozen=True)
class SceneMammograms:
    """Mammograms that are in the scene.

    Parameters
    ----------
    name : str
        What the nodes are called; no patient data.
    store : str
        Folder of the arrays; '' when the nodes are all there is.
    views : tuple of exam.mammograms.view.View
    nodes : tuple of vtkMRMLScalarVolumeNode
        One for each view.
    notes : tuple of str
        Sentences worth reading.
    tones : tuple of tuple of dict
        For each view the windows that its file has: name, window, level, curve; empty after the scene was loaded.
    """

    name: str
    store: str
    views: tuple
    nodes: tuple
    notes: tuple = ()
    tones: tuple = ()

    kind = "mammograms"
    phases = ()

    @property
    def reference(self):
        """vtkMRMLScalarVolumeNode: the view that is shown first."""
        return self.nodes[0]


@dataclass(frozen=True)
class SceneResult:
    """What a run left in the scene.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode or None
        The first one, where each mammogram has its own.
    lesions : tuple of dict
        As the worker reports its components, largest first. For mammograms, view after view, with ``place`` (which
        view), ``title`` (what people read for it) and ``image`` (its volume node).
    notes : tuple of str
    record : dict
        The run record.
    timings : dict of str to float
        Seconds of each stage.
    nodes : tuple of vtkMRMLSegmentationNode
        All that show the result; `node` alone when not given.
    maps : tuple of vtkMRMLScalarVolumeNode
        The maps that were asked for, see `mapnodes.KINDS`.
    measures : dict or None
        What was measured of the lesions (``breastseg-measures-1``, see docs/measures.md); None as long as nothing was.
    """

    node: object
    lesions: tuple
    notes: tuple
    record: dict
    timings: dict
    nodes: tuple = ()
    maps: tuple = ()
    measures: dict | None = None

    def __post_init__(self):
        object.__setattr__(self, "nodes", tuple(self.nodes) or ((self.node,) if self.node is not None else ()))


def motionText(row):
    """Return the motion figure of a phase for people, such as ``2.1 → 0.4 mm``; '' when it was not measured."""
    if not row or row.get("before_mm") is None or row.get("after_mm") is None:
        return ""
    return _("{before} → {after} mm").format(before=f"{row['before_mm']:.1f}", after=f"{row['after_mm']:.1f}")
