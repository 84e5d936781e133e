"""The user's corrections in the scene: what is kept in the parameter node, and the exam that comes back from it."""

import json
import logging

from ..errors import BreastSegError
from ..exam.dce import ROLES, Phase
from . import companions, corrections, examnodes, mammogramnodes
from .sceneexam import SceneExam, SceneMammograms

FORMAT = 1


def keptText(exam, rows):
    """Return the text that keeps a DCE exam's phases and the user's corrections.

    Parameters
    ----------
    exam : SceneExam
        As it was loaded.
    rows : sequence of (int, str, float or None, bool)
        The phase table from top to bottom: index into ``exam.phases``, role, time in seconds, in use.

    Returns
    -------
    str
        JSON; no file names, no patient data.
    """
    record = {
        "format": FORMAT,
        "exam": exam.name,
        "phases": [phase.to_json() for phase in exam.phases],
        "rows": [list(row) for row in rows],
        "percent": list(exam.percent),
        "motion": list(exam.motion),
        "spacingKnown": exam.spacingKnown,
        "decisions": exam.decisions,
    }
    return json.dumps(record, ensure_ascii=False)


def keep(parameterNode, loaded, exam=None, text=None):
    """Write an exam and the user's corrections into a parameter node, as far as they are not there already.

    Parameters
    ----------
    parameterNode : object
        With ``phases``, ``reference`` and ``phaseTable``.
    loaded : SceneExam or SceneMammograms
        As it was loaded.
    exam : SceneExam or SceneMammograms, optional
        As the user corrected it; `loaded` by default.
    text : str, optional
        What `keptText` returned; that of `loaded`, not corrected, by default.
    """
    exam = exam or loaded
    if text is None:
        rows = [(place, phase.role, phase.time_s, True) for place, phase in enumerate(loaded.phases)]
        text = keptText(loaded, rows) if rows else ""
    if list(parameterNode.phases) != list(loaded.nodes):
        parameterNode.phases = list(loaded.nodes)
    if parameterNode.reference is not exam.reference:
        parameterNode.reference = exam.reference
    if parameterNode.phaseTable != text:
        parameterNode.phaseTable = text


def forget(parameterNode):
    """Take the exam out of a parameter node: volumes of it were removed from the scene."""
    parameterNode.phases = []
    parameterNode.reference = None
    parameterNode.phaseTable = ""


def keptExam(nodes, text):
    """Return the exam whose nodes came back with a scene, and the rows of its phase table.

    Parameters
    ----------
    nodes : sequence of vtkMRMLScalarVolumeNode
        One for each phase as it was loaded, or one for each mammogram.
    text : str
        What `keptText` returned; where it is missing or damaged, the attributes of the nodes tell what they do.

    Returns
    -------
    exam : SceneExam, SceneMammograms or None
        Without a store. None when nodes are missing or tell nothing.
    rows : tuple
        As `keptText` took them; empty for mammograms.
    """
    nodes = tuple(nodes)
    if not nodes or any(node is None or node.GetScene() is None for node in nodes):
        return None, ()
    views = tuple(mammogramnodes.viewOf(node) for node in nodes)
    if all(view is not None for view in views):
        return SceneMammograms(_nameOf(nodes), "", views, nodes), ()
    try:
        return _kept(nodes, json.loads(text))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, BreastSegError) as error:
        if text:
            logging.warning(f"BreastSeg: the kept phase table cannot be used: {type(error).__name__}")
        return _fromAttributes(nodes)


def remake(exam):
    """Make the Sequence and the plot of an exam that came back with a scene. A generator; returns the companions."""
    companions.removeFound(exam)
    # Another scene with an exam of this name may have been added: its folder has the same name.
    examnodes.removeLost(exam.name, examnodes.folderOf(exam))
    yield
    return (yield from companions.makeCompanions(exam))


def _kept(nodes, record):
    phases = tuple(map(Phase.from_json, record["phases"]))
    rows = tuple(
        (int(index), str(role), None if time is None else float(time), bool(used))
        for index, role, time, used in record["rows"]
    )
    if len(phases) != len(nodes):
        # Volumes were removed: the rest is another exam, and its numbers would be wrong.
        return None, ()
    if sorted(row[0] for row in rows) != list(range(len(nodes))):
        raise ValueError("other rows than phases")
    if any(role not in ROLES for _index, role, _time, _used in rows):
        raise ValueError("unknown role")
    percent = tuple(float(value) for value in record.get("percent", ()))
    motion = tuple(dict(row) for row in record.get("motion", ()))
    exam = SceneExam(
        str(record["exam"]),
        "",
        phases,
        None,
        nodes,
        order=tuple(range(len(nodes))),
        percent=percent,
        motion=motion,
        spacingKnown=bool(record.get("spacingKnown", True)),
        decisions={str(name): str(value) for name, value in record.get("decisions", {}).items()},
    )
    return exam, rows


def _fromAttributes(nodes):
    used = [node for node in nodes if node.GetAttribute("BreastSeg.Role") in ROLES]
    if not used:
        return None, ()
    try:
        used.sort(key=lambda node: int(node.GetAttribute("BreastSeg.Phase") or 0))
        phases = corrections.numbered((node.GetAttribute("BreastSeg.Role"), _seconds(node)) for node in used)
    except (ValueError, BreastSegError):
        return None, ()
    exam = SceneExam(_nameOf(used), "", phases, None, tuple(used), (), tuple(range(len(used))))
    return exam, tuple((place, phase.role, phase.time_s, True) for place, phase in enumerate(phases))


def _seconds(node):
    try:
        return float(node.GetAttribute("BreastSeg.TimeSeconds") or "")
    except ValueError:
        return None


def _nameOf(nodes):
    return examnodes.folderName(nodes[0]) or examnodes.uniqueExamName()
