"""What the tests of results share: an exam in the scene without a worker, drawn segmentations, measures made here."""

import numpy as np
from run_fixtures import OBLIQUE, Client

BOX = (slice(5, 9), slice(10, 14), slice(4, 9))
OTHER = (slice(11, 15), slice(3, 9), slice(20, 30))


def maskOf(*boxes, shape=OBLIQUE.shape, values=None):
    """Return a mask (z, y, x) with boxes, numbered from 1 or with the given values."""
    mask = np.zeros(shape, np.uint8)
    for value, box in zip(values or range(1, len(boxes) + 1), boxes):
        mask[box] = value
    return mask


def draw(exam, *boxes, name="Drawn", image=None):
    """Draw a segmentation on an exam as the Segment Editor does: one segment for each box."""
    import slicer

    image = image or exam.reference
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(image)
    shape = slicer.util.arrayFromVolume(image).shape
    for number, box in enumerate(boxes, 1):
        segment = node.GetSegmentation().AddEmptySegment("", f"Lesion {number}")
        array = np.zeros(shape, np.uint8)
        array[box] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, segment, image)
    return node


def lps(index, geometry=OBLIQUE):
    """Return where a voxel (z, y, x) lies, in LPS."""
    return [float(value) for value in (geometry.ijk_to_lps @ [*index[::-1], 1.0])[:3]]


def rowOf(box, label=1, geometry=OBLIQUE, **known):
    """Return a row of DCE measures of a box, with the diameters along x and y of its middle slice."""
    from BreastSegLib.measures.quantities import empty_row

    z, y, x = ((part.start, part.stop - 1) for part in box)
    middle = (z[0] + z[1]) // 2
    ends = [lps((middle, y[0], x[0]), geometry), lps((middle, y[0], x[1]), geometry)]
    across = [lps((middle, y[0], x[0]), geometry), lps((middle, y[1], x[0]), geometry)]
    longest = [lps((z[0], y[0], x[0]), geometry), lps((z[1], y[1], x[1]), geometry)]
    count = int(np.prod([part.stop - part.start for part in box]))
    return {
        **empty_row("dce"),
        "label": label,
        "value": label,
        "name": "",
        "voxels": count,
        "side": "right",
        "volume_mm3": count * float(np.prod(geometry.spacing)),
        "longest_mm": float(np.linalg.norm(np.subtract(*longest))),
        "inplane_mm": float(np.linalg.norm(np.subtract(*ends))),
        "perpendicular_mm": float(np.linalg.norm(np.subtract(*across))),
        "centroid_lps": lps([np.mean(pair) for pair in (z, y, x)], geometry),
        "longest_ends_lps": longest,
        "inplane_ends_lps": ends,
        "perpendicular_ends_lps": across,
        "inplane_slice": middle,
        **known,
    }


def measuresOf(*rows, warnings=(), removed=(), kind="dce"):
    """Return measures with these rows."""
    return {
        "format": "breastseg-measures-1",
        "kind": kind,
        "spacing_known": True,
        "settings": {},
        "phases": [],
        "lesions": list(rows),
        "tissue": None,
        "total": {"volume_mm3": 0.0, "ftv_mm3": None, "lesions": len(rows)},
        "warnings": list(warnings),
        "removed": list(removed),
    }


def resultOf(node, *rows, **more):
    """Return a result with measures of these rows."""
    from BreastSegLib.scene.sceneexam import SceneResult

    return SceneResult(node, (), (), {}, {}, measures=measuresOf(*rows, **more))


class MeasuringClient(Client):
    """Stands for the worker's client: keeps what was sent with the arrays in it, and answers ``measure``."""

    def __init__(self, *rows, error=None):
        super().__init__(self._answer)
        self.rows, self.arrays, self._error = rows, {}, error

    def _answer(self, fields, _values):
        for key in ("mask", "other", "chance"):
            files = fields.get(key)
            if files is not None:
                several = files if isinstance(files, list) else [files]
                self.arrays[key] = [file and np.load(file) for file in several]
        return {"measures": measuresOf(*self.rows)}

    def send(self, request, **fields):
        number = super().send(request, **fields)
        if self._error:
            self._events = [{"event": "error", "id": number, "code": "bad-input", "message": self._error, "hint": ""}]
        return number
