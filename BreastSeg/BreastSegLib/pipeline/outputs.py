"""The files that a run writes: their names, and that they appear together."""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput
from ..files import write_json
from ..reports.masks import mask_format, write_mask
from ..reports.terminology import segment_color, segment_name, terminology_entry
from .together import check_outputs, whole_files


@dataclass(frozen=True)
class Outputs:
    """What is written, and under which names.

    Parameters
    ----------
    mask : Path
        Of the mask; of several views ``NAME-LCC.nii.gz`` … are made of it.
    maps : dict of str to (Path or None)
        The maps that are written, ``probabilities`` and the like, each under its own name, or, where it has none,
        beside the mask: ``NAME.probabilities.nii.gz``.
    raw : bool
        Whether the mask before the clean-up is kept beside: ``NAME.raw.nii.gz``.
    overwrite : bool

    Raises
    ------
    BadInput
        If a format is not known, or cannot hold a map.
    """

    mask: Path
    maps: dict = field(default_factory=dict)
    raw: bool = False
    overwrite: bool = False

    def __post_init__(self):
        mask_format(self.mask)
        for kind, path in self.maps.items():
            if path is not None and mask_format(path) == ".seg.nrrd":
                raise BadInput(f"A .seg.nrrd file cannot hold {kind}", path, "Use .nrrd or .nii.gz")

    @property
    def record(self):
        """Path: of the run record: ``lesion.nii.gz`` → ``lesion.run.json``."""
        return named(self.mask, ending=".run.json")

    def of(self, view=""):
        """Return {kind: path} of the images of one view; of the only one, or of a DCE exam, without a name."""
        paths = {"mask": named(self.mask, view)}
        if self.raw:
            paths["raw"] = named(self.mask, view, ".raw")
        for kind, path in self.maps.items():
            paths[kind] = named(self.mask, view, f".{kind}", self._map_ending) if path is None else named(path, view)
        return paths

    @property
    def _map_ending(self):
        """str or None: of a map beside the mask, where the mask's own ending stands for labels."""
        return ".nrrd" if mask_format(self.mask) == ".seg.nrrd" else None

    def check(self, views=("",)):
        """Refuse names that exist or are used twice, before anything is computed."""
        paths = [path for view in views for path in self.of(view).values()]
        check_outputs([*paths, self.record], self.overwrite)


def named(path, view="", kind="", ending=None):
    """Return `path` with view and kind before its ending."""
    old = mask_format(path)
    between = f"-{view.replace(' ', '_')}" if view else ""
    return Path(f"{str(path)[: -len(old)]}{between}{kind}{str(path)[-len(old) :] if ending is None else ending}")


def write_result(outputs, result, model, more=None):
    """Write masks, maps and the run record of a result, all or none, and return the paths of the masks.

    Parameters
    ----------
    outputs : Outputs
    result : dict
        Of `pipeline.segment`.
    model : Model
        Names the labels.
    more : dict, optional
        Goes into the run record.
    """
    images = result.get("views") or [result]
    plan = [(image, outputs.of(image["view"] if len(images) > 1 else "")) for image in images]
    paths = [path for _, files in plan for path in files.values()]
    with whole_files([*paths, outputs.record], outputs.overwrite) as temporary:
        for image, files in plan:
            for kind, path in files.items():
                names = segment_names(model, image["components"]) if kind in ("mask", "raw") else None
                write_mask(temporary[path], image[kind], names=names)
        sizes = {path.name: temporary[path].stat().st_size for path in paths}
        write_json(temporary[outputs.record], {**record_of(result, plan), "sizes": sizes, **(more or {})})
    return [files["mask"] for _, files in plan]


def record_of(result, plan):
    """Return the run record with what was found and the names of the files (without their folder)."""
    rows = [
        {
            "components": image["components"],
            "removed": image["removed"],
            "files": {kind: path.name for kind, path in files.items()},
        }
        for image, files in plan
    ]
    found = rows[0]
    if "views" in result:
        found = {"results": [{"view": image["view"], **row} for (image, _), row in zip(plan, rows)]}
    return {**result["record"], **found, "notes": result["notes"]}


def segment_names(model, rows):
    """Return segment name, terminology and colour of each label, with the side if all components lie in one breast."""
    sides = {row["side"] for row in rows}
    side = sides.pop() if len(sides) == 1 else ""
    return {
        label["value"]: (
            segment_name(label["terminology"], side),
            terminology_entry(label["terminology"], side),
            segment_color(label["terminology"]),
        )
        for label in model.card["labels"].values()
    }
