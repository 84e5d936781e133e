"""What goes out of the program about one result: DICOM objects, reports and tables, all of them or none."""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput
from ..exam.mask_files import is_dicom_mask
from ..exam.source import describe, read
from ..models import find_model
from ..reports.tables import table_format, write_measures
from .dicomseg import card_of
from .measuring import read_masks
from .together import check_outputs, whole_files

STAGE = "Writing"
ENDINGS = {
    "seg": (".dcm",),
    "sr": (".dcm",),
    "html": (".html", ".htm"),
    "pdf": (".pdf",),
    "pdf_dicom": (".dcm",),
    "csv": (".csv",),
    "json": (".json",),
}
REPORTS = ("html", "pdf", "pdf_dicom")
DICOM = ("seg", "sr", "pdf_dicom")
TITLE = "Breast lesion report, for research use only"


def export_results(request, report):
    """Write what was asked for about one result (worker side; needs no torch).

    Parameters
    ----------
    request : dict
        The fields of an ``export`` message: ``source``, ``mask`` (as for ``measure``), ``measures``, ``outputs``
        ({kind: path}, kinds as in `ENDINGS`), and optionally ``dicom`` (the source of the DICOM files, where
        ``source`` is a copy without them), ``record``, ``model``, ``connected``, ``identify`` (bool), ``pictures``
        ([[caption, file], …]), ``edited`` (bool: whether somebody has changed the mask) and ``overwrite``.
    report : callable
        ``report(stage, done, total)``; may raise `Cancelled`.

    Returns
    -------
    dict
        ``written``: the paths. Of several mammograms each with lesions has a DICOM segmentation: ``NAME-LCC.dcm`` ….

    Raises
    ------
    BreastSegError
        Nothing was written then.
    """
    outputs = checked_outputs(request["outputs"])
    overwrite = bool(request.get("overwrite"))
    check_outputs(outputs.values(), overwrite)
    needs_exam = any(kind in outputs for kind in (*REPORTS, "seg", "sr"))
    exam = read(request["source"], report) if needs_exam else None
    wants_files = bool(set(DICOM) & set(outputs)) or (request.get("identify") and exam is not None)
    scan = describe(request.get("dicom") or request["source"], report) if wants_files else None
    work = _Work(request, exam, scan, _card(request), report)
    jobs = [job for kind, path in outputs.items() for job in work.jobs(kind, path)]
    with whole_files([path for path, _ in jobs], overwrite) as temporary:
        for done, (path, write) in enumerate(jobs):
            report(STAGE, done, len(jobs))
            write(temporary[path])
        report(STAGE, len(jobs), len(jobs))
    return {"written": [str(path) for path, _ in jobs]}


def checked_outputs(outputs):
    """Return {kind: Path} after checking kinds and endings.

    Raises
    ------
    BadInput
    """
    if not outputs:
        raise BadInput("Nothing was chosen to be written", hint="Choose at least one of " + ", ".join(ENDINGS))
    for kind, path in outputs.items():
        if kind not in ENDINGS:
            raise BadInput(f"There is no output {kind!r}", hint="Outputs: " + ", ".join(ENDINGS))
        if not isinstance(path, str) or Path(path).suffix.lower() not in ENDINGS[kind]:
            raise BadInput(f"The ending does not fit the output {kind}", path, f"Use {' or '.join(ENDINGS[kind])}")
    return {kind: Path(path) for kind, path in outputs.items()}


def segmentation_names(path, views):
    """Return the names of DICOM segmentations: ``a.dcm``, or ``a-LCC.dcm`` … of several mammograms (their names)."""
    path = Path(path)
    if len(views) < 2:
        return [str(path)]
    return [str(path.with_name(f"{path.stem}-{view.replace(' ', '_')}{path.suffix}")) for view in views]


def is_segmentation_of(path, measures, view=None):
    """Return whether the file of a mask is a DICOM segmentation whose segments have the numbers of the lesions.

    Parameters
    ----------
    path : str or None
    measures : dict
        Of this mask.
    view : int, optional
        Index of the mammogram.
    """
    rows = [row for row in measures["lesions"] if view is None or row["view_index"] == view]
    return path is not None and is_dicom_mask(path) and all(row["label"] == row["value"] for row in rows)


@dataclass
class _Work:
    """The result, and what has been made of it so far.

    Parameters
    ----------
    request : dict
    exam : DceExam, MammographyExam or None
        With pixels, where they are needed.
    scan : ExamScan, MammographyScan or None
        Of the DICOM files.
    card : dict
        Of the model; {} without one.
    report : callable
    """

    request: dict
    exam: object
    scan: object
    card: dict
    report: object
    _made: dict = field(default_factory=dict)

    def jobs(self, kind, path):
        """Return (path, function that writes to a given path) of one output."""
        measures = self.request["measures"]
        if kind in ("csv", "json"):
            table_format(path)
            return [(path, lambda temporary: write_measures(temporary, measures))]
        if kind == "seg":
            return self._segmentations(path)
        return [(path, lambda temporary: getattr(self, f"_{kind}")(temporary))]

    def _html(self, path):
        from ..reports.html import write_html

        write_html(path, self._once("content", self._content))

    def _pdf(self, path):
        path.write_bytes(self._once("pdf", self._pdf_bytes))

    def _pdf_dicom(self, path):
        from ..reports.dicom.encapsulated import write_pdf_dicom

        pdf, identified = self._once("pdf", self._pdf_bytes), bool(self.request.get("identify"))
        write_pdf_dicom(path, pdf, self._sources(self._places()[0]), TITLE, identified=identified)

    def _sr(self, path):
        from ..reports.dicom.structured import write_sr

        views = self._views()
        segs = [
            self._given_seg(view) or self._once(("seg", view), lambda view=view: self._seg(view)) for view in views
        ]
        sources = [self._sources(view) for view in views]
        flat = self._kind == "mammograms"
        write_sr(path, sources if flat else sources[0], segs if flat else segs[0], self.request["measures"])

    def _segmentations(self, path):
        """Return the jobs of the DICOM segmentations: one, or one for each mammogram with lesions."""
        from ..reports.dicom.objects import save

        views, jobs = self._views(), []
        names = segmentation_names(path, [] if views == [None] else [self.exam.views[view].name for view in views])
        for view, own in zip(views, names):

            def write(temporary, view=view):
                save(self._once(("seg", view), lambda: self._seg(view)), temporary)

            jobs.append((Path(own), write))
        return jobs

    def _given_seg(self, view):
        """Return the file of a mask that is a DICOM segmentation of these very lesions; else None."""
        paths = self.request["mask"]
        path = paths[view or 0] if isinstance(paths, list) else paths
        own = "seg" not in self.request["outputs"] and is_segmentation_of(path, self.request["measures"], view)
        return path if own else None

    def _seg(self, view):
        from .dicomseg import lesion_seg

        mask, edited = self._masks()[view or 0], bool(self.request.get("edited"))
        sources, measures = self._sources(view), self.request["measures"]
        return lesion_seg(sources, mask, measures, self.card, self._connected, edited, view)

    @property
    def _kind(self):
        return self.request["measures"]["kind"]

    def _places(self):
        """Return the indices of the images, as sources are asked for."""
        return [None] if self._kind == "dce" else list(range(len(self.scan.views)))

    def _views(self):
        """Return the indices of the mammograms that have lesions; [None] for a DCE exam."""
        if self._kind == "dce":
            return [None]
        found = sorted({row["view_index"] for row in self.request["measures"]["lesions"]})
        if not found:
            raise BadInput("There is no lesion to write as a DICOM segmentation", hint="Leave SEG and SR out")
        return found

    def _sources(self, view):
        from ..reports.dicom.sources import sources_of

        return self._once(("sources", view), lambda: sources_of(self.scan, view))

    def _masks(self):
        return self._once("masks", lambda: read_masks(self.exam, self.request["mask"]))

    @property
    def _connected(self):
        value = self.request.get("connected")
        return True if value is None else bool(value)

    def _content(self):
        from ..reports.report import Content

        pictures = tuple((str(caption), _bytes(path)) for caption, path in self.request.get("pictures") or ())
        identity = self._identity() if self.request.get("identify") else None
        record = self.request.get("record") or {}
        masks = tuple(self._masks())
        return Content(self.exam, masks, self.request["measures"], record, self.card, identity, pictures)

    def _identity(self):
        """Return who the patient is: only where the user asks for it."""
        from ..reports.identity import identity_of

        return identity_of([header for view in self._places() for header in self._sources(view).headers[:1]])

    def _pdf_bytes(self):
        from ..reports.pdf import pdf_bytes

        return pdf_bytes(self._once("content", self._content))

    def _once(self, name, make):
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]


def _card(request):
    """Return the card of the model that made the mask; what the run tells of a model that is not here; {} without."""
    made = (request.get("record") or {}).get("model") or {}
    told = {"name": made["name"], "hash": made.get("hash") or ""} if made.get("name") else {}
    if not request.get("model"):
        return told
    card = card_of(find_model(request["model"], verify=False))
    # Another model may have its name by now.
    return card if not told.get("hash") or told["hash"] == card["hash"] else told


def _bytes(path):
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"A picture for the report cannot be read: {error.strerror}", path, "Take it again") from error
