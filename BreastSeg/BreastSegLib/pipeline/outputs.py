"""The files that a run writes: their names, and that they appear together."""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput
from ..files import write_json
from ..reports.masks import mask_format, write_mask
from ..reports.tables import FORMATS as TABLES
from ..reports.tables import table_format, write_measures
from ..reports.terminology import segment_color, segment_name, terminology_entry
from .dicomseg import card_of, lesion_seg, raw_seg
from .together import check_outputs, whole_files

DICOM = ".dcm"
LABELS_ONLY = (".seg.nrrd", DICOM)  # formats that hold no map


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
    measures : Path or None
        Where the measures go: .json, .csv, or .dcm (a DICOM structured report).

    Raises
    ------
    BadInput
        If a format is not known, or cannot hold a map.
    """

    mask: Path
    maps: dict = field(default_factory=dict)
    raw: bool = False
    overwrite: bool = False
    measures: Path | None = None

    def __post_init__(self):
        mask_format(self.mask)
        for kind, path in self.maps.items():
            if path is not None and mask_format(path) in LABELS_ONLY:
                raise BadInput(f"A {mask_format(path)} file cannot hold {kind}", path, "Use .nrrd or .nii.gz")
        if self.measures is not None and not is_dicom(self.measures):
            try:
                table_format(self.measures)
            except BadInput as error:
                raise BadInput(error.what, self.measures, f"Use {', '.join(TABLES)} or {DICOM}") from error
        elif self.measures is not None and not is_dicom(self.mask):
            what = "A DICOM report of measures is about a DICOM segmentation, and the mask is to be none"
            raise BadInput(what, self.measures, "Give the mask a name that ends in .dcm, too")

    @property
    def needs_dicom(self):
        """bool: whether something is written that refers to the exam's DICOM files."""
        return is_dicom(self.mask) or (self.measures is not None and is_dicom(self.measures))

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
        return ".nrrd" if mask_format(self.mask) in LABELS_ONLY else None

    def check(self, views=("",)):
        """Refuse names that exist or are used twice, before anything is computed."""
        paths = [path for view in views for path in self.of(view).values()]
        check_outputs([*paths, self.record, *self.others], self.overwrite)

    @property
    def others(self):
        """list of Path: what there is one of, besides the run record."""
        return [] if self.measures is None else [self.measures]


def is_dicom(path):
    """bool: whether a file is to be a DICOM object, by its ending."""
    return Path(path).suffix.lower() == DICOM


def named(path, view="", kind="", ending=None):
    """Return `path` with view and kind before its ending."""
    old = mask_format(path)
    between = f"-{view.replace(' ', '_')}" if view else ""
    return Path(f"{str(path)[: -len(old)]}{between}{kind}{str(path)[-len(old) :] if ending is None else ending}")


def write_result(outputs, result, model, more=None, scan=None):
    """Write masks, maps, measures and the run record of a result, all or none, and return the paths of the masks.

    Nothing can be told of no lesion in DICOM: an empty mask, and measures without lesions, have no DICOM object.

    Parameters
    ----------
    outputs : Outputs
    result : dict
        Of `pipeline.segment`.
    model : Model
        Names the labels.
    more : dict, optional
        Goes into the run record.
    scan : ExamScan or MammographyScan, optional
        Of the exam's DICOM files, where ``outputs.needs_dicom``.

    Raises
    ------
    BadInput
        Nothing was written then.
    """
    images = result.get("views") or [result]
    plan = [(image, _possible(image, outputs.of(image["view"] if len(images) > 1 else ""))) for image in images]
    paths = [path for _, files in plan for path in files.values()]
    objects = _DicomObjects(scan, result, card_of(model)) if outputs.needs_dicom else None
    told = bool((result.get("measures") or {}).get("lesions"))
    others = [path for path in outputs.others if told or not is_dicom(path)]
    with whole_files([*paths, outputs.record, *others], outputs.overwrite) as temporary:
        for image, files in plan:
            for kind, path in files.items():
                if is_dicom(path):
                    objects.write_mask(temporary[path], image, kind)
                    continue
                names = segment_names(model, image["components"]) if kind in ("mask", "raw") else None
                write_mask(temporary[path], image[kind], names=names)
        for path in others:
            if is_dicom(path):
                objects.write_report(temporary[path])
            else:
                write_measures(temporary[path], result["measures"])
        sizes = {path.name: temporary[path].stat().st_size for path in paths}
        write_json(temporary[outputs.record], {**record_of(result, plan), "sizes": sizes, **(more or {})})
    return [files["mask"] for _, files in plan if "mask" in files]


def _possible(image, files):
    """Return the files of an image without DICOM objects about masks that are empty."""
    return {kind: path for kind, path in files.items() if not is_dicom(path) or image[kind].array.any()}


class _DicomObjects:
    """The DICOM objects of a run: segmentations, and the report about them."""

    def __init__(self, scan, result, card):
        self._scan, self._result, self._card, self._made = scan, result, card, {}

    def write_mask(self, path, image, kind):
        """Write the mask, or the mask before the clean-up, of one image."""
        from ..reports.dicom.objects import save

        if kind == "raw":
            save(raw_seg(self._sources(image.get("index")), image["raw"], self._card), path)
        else:
            save(self._seg(image), path)

    def write_report(self, path):
        """Write the structured report; of mammograms about all that have lesions."""
        from ..reports.dicom.structured import write_sr

        measures = self._result["measures"]
        if "views" not in self._result:
            write_sr(path, self._sources(None), self._seg(self._result), measures)
            return
        found = {row["view_index"] for row in measures["lesions"]}
        images = [image for image in self._result["views"] if image["index"] in found]
        write_sr(path, [self._sources(image["index"]) for image in images], list(map(self._seg, images)), measures)

    def _seg(self, image):
        view = image.get("index")
        if view not in self._made:
            sources = self._sources(view)
            self._made[view] = lesion_seg(sources, image["mask"], self._result["measures"], self._card, view=view)
        return self._made[view]

    def _sources(self, view):
        from ..reports.dicom.sources import sources_of

        return sources_of(self._scan, view)


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
    measures = {"measures": result["measures"]} if result.get("measures") else {}
    return {**result["record"], **found, **measures, "notes": result["notes"]}


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
