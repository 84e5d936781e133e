"""What a source holds: a dynamic as DICOM, image files by their names, arrays, or mammograms."""

from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BadInput
from .decisions import BY_USER, Findings, ask
from .dicom.folder import files_of, read_headers
from .dicom.headers import ENHANCED
from .dynamic.derived import reason_to_leave_out
from .dynamic.groups import split_series
from .dynamic.scan import NO_DICOM, scan_headers
from .examscan import ExamScan
from .images import breastdm, naming, picturestack
from .images.files import describe_files, open_files, read_phases

KINDS = ("folder", "dicom", "files", "channels", "views", "store")
MAMMOGRAMS = "mammograms"
MAMMOGRAPHY = {"1.2.840.10008.5.1.4.1.1.1.2", "1.2.840.10008.5.1.4.1.1.1.2.1"}
CLASSIC_MR = "1.2.840.10008.5.1.4.1.1.4"
FILMS = ("", "CR", "DX", "RG", "OT", "SC")


@dataclass(frozen=True)
class Contents:
    """What was found, before any pixel is read.

    Parameters
    ----------
    kind : {'dicom', 'files', 'mammograms', 'store'}
    scan : ExamScan or None
        The phases of a dynamic.
    paths : tuple of str
        The files of mammograms.
    decisions : dict
    reader : callable or None
        ``reader(report)`` returns the volumes of phases that are image files.
    notes : tuple of str
        What was noticed about the folder of mammograms.
    """

    kind: str
    scan: ExamScan | None = None
    paths: tuple = field(default=(), repr=False)
    decisions: dict = field(default_factory=dict)
    reader: object = None
    notes: tuple = ()

    def volumes(self, report):
        """Return the volumes of all phases, each on its own grid."""
        return self.reader(report)


def contents_of(source, report=None):
    """Return the `Contents` of a source.

    Parameters
    ----------
    source : dict
        See `source.read`.
    report : callable, optional
        Called as ``report(stage, done, total)``; may raise `Cancelled`.

    Raises
    ------
    BadInput, Undecided
    """
    kinds = [kind for kind in KINDS if source.get(kind)]
    if len(kinds) != 1:
        raise BadInput(
            "The exam is named in no way or in several ways", ", ".join(kinds), f"Name one of: {', '.join(KINDS)}"
        )
    kind, findings = kinds[0], Findings(source.get("decisions") or {})
    if kind == "store":
        return Contents("store")
    if kind == "views":
        return Contents(MAMMOGRAMS, paths=tuple(map(str, source["views"])), decisions=findings.decisions)
    if kind in ("files", "channels"):
        return _image_files(source[kind], findings, kind == "channels")
    if kind == "dicom":
        return _dicom(list(map(str, source["dicom"])), findings, "", report)
    return _folder(source["folder"], findings, report)


def _folder(folder, findings, report):
    paths = files_of(folder)
    named = [*naming.image_files(paths), *(path for path in paths if path.lower().endswith(picturestack.LOSSY))]
    if len(named) == len(paths) or not _any_dicom(paths, named):
        found = _by_names(folder, paths, findings)
        if found is not None:
            return found
    return _dicom(paths, findings, folder, report)


def _any_dicom(paths, named):
    """bool: whether any file that is no image file of another kind looks like DICOM."""
    from .dicom.elements import file_looks_like_dicom

    others = set(paths) - set(named)
    return any(file_looks_like_dicom(path) for path in sorted(others))


def _by_names(folder, paths, findings):
    """Return the contents of a folder without DICOM files, or None when nothing in it is known."""
    triplet = breastdm.find_triplet(paths)
    if triplet is not None:
        scan, reader = breastdm.open_triplet(triplet, findings)
        return Contents("files", scan, reader=reader)
    stacks = picturestack.find_phases(folder, paths)
    if stacks is not None:
        scan, reader = picturestack.open_phases(stacks, findings, folder)
        return Contents("files", scan, reader=reader)
    volumes = naming.volume_files(paths)
    if volumes:
        files, meaning = naming.choose_files(folder, volumes, findings)
        channels = meaning == "channels"
        only_post = not channels and naming.begins_after_contrast(files)
        return _image_files(files, findings, channels, only_post, named=len(files) > 1)
    pictures = naming.picture_files(paths)
    if pictures:
        return Contents(MAMMOGRAMS, paths=tuple(pictures), decisions=findings.decisions)
    return None


def _image_files(paths, findings, channels, only_post=False, named=False):
    files, notes = open_files(paths)
    first = "channel" if channels else "post" if only_post else "pre"
    asked = f" (meaning {BY_USER})" if "meaning" in findings.decisions else ""
    count = sum(file.volumes for file in files)
    before = findings.decided("pre", [str(k) for k in range(count + (count == 1))])
    if before is not None and channels:
        raise BadInput("A model's channels are no phases: none of them is before contrast", hint="Leave out pre=…")
    evidence = f"file names{asked}" if named else ""
    scan = describe_files(files, [*findings.notes, *notes], first, evidence, None if before is None else int(before))
    return Contents("files", scan, reader=lambda report: read_phases(files, scan, report))


def _dicom(paths, findings, where, report):
    headers, notes = read_headers(paths, report)
    if not headers:
        raise BadInput(f"The folder holds no readable DICOM image: {' '.join(notes)}".rstrip(" :"), where, NO_DICOM)
    findings.notes += notes
    views = [header for header in headers if header.modality == "MG" or header.sop_class in MAMMOGRAPHY]
    if not views and any(header.position is not None and not reason_to_leave_out(header) for header in headers):
        return Contents("dicom", scan_headers(headers, findings, where))
    series, _ = split_series(_others(headers, views))
    if not views and not any(one.first.position for one in series):
        # Digitised films have no modality, or that of the scanner.
        views = [header for header in headers if _may_be_film(header)]
        series = []
    if not views:
        return Contents("dicom", scan_headers(headers, findings, where))
    kind = findings.decided("kind", ("dce", MAMMOGRAMS)) if series else MAMMOGRAMS
    if kind is None:
        choices = [("dce", "the DCE-MRI exam"), (MAMMOGRAMS, f"the {len(views)} mammograms")]
        raise ask("kind", "The folder holds both MR images and mammograms", Path(where).name and where, choices)
    if kind == "dce":
        return Contents("dicom", scan_headers(_others(headers, views), findings, where))
    # Several studies are listed by `mammograms`, which knows collections that make a study of every view.
    paths = tuple(dict.fromkeys(header.path for header in views))
    return Contents(MAMMOGRAMS, paths=paths, decisions=findings.decisions, notes=tuple(notes))


def _others(headers, views):
    """Return the headers that are no mammograms."""
    mammograms = {id(view) for view in views}
    return [header for header in headers if id(header) not in mammograms]


def _may_be_film(header):
    """bool: whether an image may be a digitised film: it has no place in the body and no other modality."""
    placed = header.position is not None or header.orientation is not None
    plain = not placed and min(header.shape) > 0
    return plain and header.modality in FILMS and header.sop_class not in (CLASSIC_MR, *ENHANCED)
