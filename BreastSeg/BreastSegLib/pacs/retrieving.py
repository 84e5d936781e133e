"""From an archive into a folder: whole files, a folder for each series, and only what is missing."""

from pathlib import Path

from pydicom import dcmread

from ..errors import BadInput
from ..files import whole_file
from .problems import ArchiveError
from .query import Instance, checked_uid, code_of

STAGE = "Retrieving"
TAGS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"]


class StudyFolder:
    """The folder of one study; a folder ``series_0001`` … for each series with files ``000001.dcm`` …

    What is there is known from the files themselves, so that a retrieval goes on after any end.

    Parameters
    ----------
    path : str or Path
        Made when the first file comes.
    study : str

    Raises
    ------
    BadInput
        If it is a file, or holds images of another study.
    """

    def __init__(self, path, study):
        self.path, self.study = Path(path), study
        if self.path.exists() and not self.path.is_dir():
            raise BadInput("The output is a file", path, "Give a folder")
        self._folders, self._numbers, self._held = {}, {}, {}
        for file in sorted(self.path.glob("series_*/*.dcm")):
            self._note(file)

    def held(self, series):
        """Return the UIDs of the instances of a series that are here."""
        return self._held.setdefault(series, set())

    def folder_of(self, series):
        """Return the folder of a series."""
        if series not in self._folders:
            numbers = [int(p.name[7:]) for p in self.path.glob("series_*") if p.name[7:].isdecimal()]
            taken = [int(p.name[7:]) for p in self._folders.values() if p.name[7:].isdecimal()]
            self._folders[series] = self.path / f"series_{max([0, *numbers, *taken]) + 1:04d}"
        return self._folders[series]

    def keep(self, series, uid, data):
        """Write one instance, whole or not at all.

        Parameters
        ----------
        series, uid : str
        data : bytes or pydicom.Dataset
        """
        folder = self.folder_of(series)
        number = self._numbers.get(folder, 0) + 1
        with whole_file(folder / f"{number:06d}.dcm") as temporary:
            if isinstance(data, (bytes, bytearray)):
                temporary.write_bytes(data)
            else:
                data.save_as(temporary, enforce_file_format=True)
        self._numbers[folder] = number
        self.held(series).add(uid)

    def _note(self, file):
        if file.name.startswith("."):
            return  # what an interrupted run was writing
        try:
            header = dcmread(file, stop_before_pixels=True, specific_tags=TAGS)
            study, series, uid = (code_of(header, tag) for tag in TAGS)
        except Exception:  # of somebody else; its name is not taken
            study = series = uid = ""
        if study not in ("", self.study):
            raise BadInput("The folder holds images of another study", self.path, "Give a new folder")
        if study and series:
            self._folders[series] = file.parent
            self.held(series).add(uid)
        number = int(file.stem) if file.stem.isdecimal() else 0
        self._numbers[file.parent] = max(self._numbers.get(file.parent, 0), number)


def retrieve_study(archive, study, series, folder, report=None):
    """Get a study into a folder; what is there already is not asked for.

    Parameters
    ----------
    archive : Archive
    study : str
        Study Instance UID.
    series : sequence of str
        Series Instance UIDs; all of the study when empty.
    folder : str or Path
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`: what has come is kept.

    Returns
    -------
    dict
        ``folder``, ``images`` (there now), ``received`` (that came now) and ``series``: rows with ``folder``.

    Raises
    ------
    BadInput
        If a UID is none, or the folder cannot be used.
    ArchiveError
        If the archive does not have it, or does not give all of it.
    """
    report = report or (lambda stage, done, total: None)
    checked_uid(study)
    wanted = [checked_uid(uid) for uid in ([series] if isinstance(series, str) else series)]
    place = StudyFolder(folder, study)
    report("Asking the archive", 0, 0)
    rows = archive.series(study)
    unknown = set(wanted) - {row["series_uid"] for row in rows}
    if not rows or unknown:
        what = "a series" if rows else "the study"
        raise ArchiveError(f"The archive does not have {what} that was asked for", archive.peer.address)
    rows = [row for row in rows if not wanted or row["series_uid"] in wanted]
    plan = [(row, _instances_of(archive, study, row)) for row in rows]
    job = _Retrieval(archive, study, place, plan, report)
    job.run()
    told = [
        {**row, "folder": str(place.folder_of(row["series_uid"])), "images": len(place.held(row["series_uid"]))}
        for row, _ in plan
    ]
    images = sum(row["images"] for row in told)
    return {"folder": str(place.path), "images": images, "received": job.received, "series": told}


class _Retrieval:
    """One run of `retrieve_study`."""

    def __init__(self, archive, study, place, plan, report):
        self.received = 0
        self._archive, self._study, self._place, self._plan, self._report = archive, study, place, plan, report
        self._total = sum(len(instances) for _, instances in plan)
        self._done = self._total - sum(len(self._missing(row["series_uid"], instances)) for row, instances in plan)

    def run(self):
        """Get every series."""
        self._tell()
        short = 0
        for row, instances in self._plan:
            uid = row["series_uid"]
            attempt, left = self._attempt(uid, instances), self._left(uid, instances)
            short += self._archive.retry.until_done(attempt, left, self._report)
        if short:
            raise ArchiveError(
                f"The archive did not give {short} of {self._total} images",
                self._archive.peer.address,
                "What came is kept; the same again asks for the rest",
            )

    def _left(self, series, instances):
        return lambda: len(self._missing(series, instances))

    def _attempt(self, series, instances):
        def take(uid, data):
            if uid in wanted and uid not in self._place.held(series):
                self._place.keep(series, uid, data)
                self.received += 1
                self._done += 1
            self._tell()

        def attempt():
            missing = self._missing(series, instances)
            self._archive.fetch(self._study, series, missing, len(missing) == len(instances), take, self._tell)

        wanted = {instance.uid for instance in instances}
        return attempt

    def _missing(self, series, instances):
        held = self._place.held(series)
        return [instance for instance in instances if instance.uid not in held]

    def _tell(self):
        self._report(STAGE, self._done, self._total)


def _instances_of(archive, study, row):
    """Return the instances of a series, each once."""
    found = archive.instances(study, row["series_uid"])
    instances = list({instance.uid: instance for instance in found if isinstance(instance, Instance)}.values())
    if row["instances"] and not instances:
        raise ArchiveError("The archive does not tell which images a series has", archive.peer.address)
    return instances
