"""A raw dataset folder as nnU-Net wants it, and which of its files are whole."""

import hashlib
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import read_json, write_json

FORMAT = "breastseg-dataset-case-1"
ENDING = ".nii.gz"
IMAGES = {"train": "imagesTr", "test": "imagesTs"}
LABELS = {"train": "labelsTr", "test": "labelsTs"}
RECORDS = "records"
DESCRIPTION, SPLITS, SPLIT_RECORD, RECIPE = "dataset.json", "splits_final.json", "split.json", "recipe.json"
_NAME = re.compile(r"Dataset(\d{3})_[A-Za-z0-9][A-Za-z0-9_-]*")
_IMAGE = re.compile(r"(?P<name>.+?)(?:_\d{4})?\.nii\.gz")
_LABEL = re.compile(r"(?P<name>.+)\.nii\.gz")  # BC_1000 is a whole name, not a channel


@dataclass(frozen=True)
class Layout:
    """Where the files of a dataset lie.

    Parameters
    ----------
    folder : Path
        ``DatasetNNN_Name`` in the folder of nnU-Net's raw datasets.
    """

    folder: Path

    def image(self, part, sample, channel):
        """Return the path of a channel."""
        return self.folder / IMAGES[part] / f"{sample}_{channel:04d}{ENDING}"

    def label(self, part, sample):
        """Return the path of a reference mask."""
        return self.folder / LABELS[part] / f"{sample}{ENDING}"

    def record(self, name):
        """Return the path of a case's record: the case counts only when it is there."""
        return self.folder / RECORDS / f"{name}.json"

    @property
    def description(self):
        """Path: dataset.json, which nnU-Net needs: it is there only while the dataset is whole."""
        return self.folder / DESCRIPTION

    def read_record(self, name):
        """Return the record of a case that is whole, else None.

        Whole: every file that the record lists is there with the size it was written with.
        """
        path = self.record(name)
        try:
            record = read_json(path)
        except BadInput:
            return None
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            return None
        try:
            whole = all((self.folder / file).stat().st_size == size for file, size in record["files"].items())
        except (OSError, AttributeError, KeyError, TypeError):
            return None
        return record if whole and record.get("samples") else None

    def names(self):
        """Return the names of the cases that have a record, sorted."""
        folder = self.folder / RECORDS
        return sorted(path.stem for path in folder.glob("[!.]*.json")) if folder.is_dir() else []

    def samples(self):
        """Return {sample: [files]} of all images and masks in the folder."""
        found = {}
        for sub in (*IMAGES.values(), *LABELS.values()):
            folder = self.folder / sub
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                match = (_IMAGE if sub in IMAGES.values() else _LABEL).fullmatch(path.name)
                if match and not path.name.startswith("."):
                    found.setdefault(match["name"], []).append(path)
        return found

    def files_of(self):
        """Return {case: [files]} of all images and masks in the folder, whether the case has a record or not."""
        found = {}
        for sample, paths in self.samples().items():
            found.setdefault(case_of(sample), []).extend(paths)
        return found

    def digest(self, name):
        """Return a hash of a case's record as it lies there; '' where there is none."""
        try:
            return hashlib.sha256(self.record(name).read_bytes()).hexdigest()
        except OSError:
            return ""

    def sweep(self):
        """Remove what an export that was killed was writing: files and folders with temporary names."""
        for sub in (*IMAGES.values(), *LABELS.values(), RECORDS, "."):
            remove_parts(self.folder / sub)

    def remove(self, name, files):
        """Remove a case and `files`, which are its images and masks (`files_of`).

        Its record goes first, so that it does not count while its files go.
        """
        self.record(name).unlink(missing_ok=True)
        for path in files:
            path.unlink(missing_ok=True)

    def move(self, name, part):
        """Move a case into another part; it does not count while its files move.

        Returns
        -------
        dict
            Its new record.
        """
        record = self.read_record(name)
        files = {}
        self.record(name).unlink()
        for file, size in record["files"].items():
            target = _in_part(file, part)
            (self.folder / target).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / file).replace(self.folder / target)
            files[target] = size
        record = {**record, "files": files, "part": part}
        write_json(self.record(name), record)
        return record


def check_dataset_name(name):
    """Return the number of a dataset's name.

    Raises
    ------
    BadInput
        If it is not written ``Dataset101_Name`` or ``101_Name``.
    """
    full = full_name(name)
    match = _NAME.fullmatch(full)
    if not match or int(match[1]) == 0:
        raise BadInput(
            "The dataset's name is not a number from 001 to 999 and a word", name, "Write it like 101_BreastDCE"
        )
    return int(match[1])


def others_with_number(folder):
    """Return the names of other datasets beside a dataset's folder that have its number, sorted."""
    start = folder.name.partition("_")[0] + "_"
    return sorted(p.name for p in folder.parent.iterdir() if p.name.startswith(start) and p.name != folder.name)


def full_name(name):
    """Return a dataset's name with ``Dataset`` before it."""
    return name if name.startswith("Dataset") else f"Dataset{name}"


def case_of(sample):
    """Return the case that a sample belongs to: that of a region ends with its number."""
    name, _, number = sample.rpartition("_r")
    return name if number.isdigit() else sample


def remove_parts(folder, ending=""):
    """Remove the files and folders with temporary names in a folder, of those files that end with `ending`."""
    for path in Path(folder).glob(".part-*"):
        if not path.name.endswith(ending):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # Windows: something has it open; it goes the next time
                path.unlink()


def _in_part(file, part):
    folder, _, rest = file.partition("/")
    kinds = IMAGES if folder in IMAGES.values() else LABELS
    return f"{kinds[part]}/{rest}"
