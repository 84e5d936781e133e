"""A folder of results that appears whole or not at all."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from BreastSegLib.errors import BadInput
from BreastSegLib.files import write_error


def check_folder(path, main, overwrite=False):
    """Return a folder as a Path after checking that it may be written.

    Parameters
    ----------
    path : str or Path
    main : str
        Name of the file that says what the folder is.
    overwrite : bool
        Replace a folder that such results lie in.

    Raises
    ------
    BadInput
        If it is a file, or holds something: results without `overwrite`, or files of others in any case.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise BadInput("The output is a file", path, "Give a folder")
    if not path.is_dir() or not any(path.iterdir()):
        return path
    if not (path / main).is_file():
        raise BadInput("The folder holds other files", path, "Give an empty or a new folder")
    if not overwrite:
        raise BadInput("The output exists", path, "Give another folder or --overwrite")
    return path


@contextmanager
def whole_folder(path, main, files, overwrite=False):
    """Give a temporary folder to write to; its files take their place only when the block ends well.

    Parameters
    ----------
    path : str or Path
        The folder; missing parents are made.
    main : str
        Name of the file that says what the folder is.
    files : callable
        ``files(folder)`` returns the paths, relative to `folder`, of the files that belong to such results: only these
        are replaced. Where others lie among them nothing is written.
    overwrite : bool
        Replace earlier results.

    Raises
    ------
    BadInput
        If the folder may not be written, or the disk is full.
    """
    path = Path(os.path.abspath(check_folder(path, main, overwrite)))
    _check_own(path, files)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".part-", dir=path.parent))
    except OSError as error:
        raise write_error(error, path) from error
    try:
        made = temporary / "made"
        made.mkdir()
        yield made
        check_folder(path, main, overwrite)  # it may have appeared meanwhile
        _check_own(path, files)
        _replace(made, path, temporary / "before")
    except OSError as error:
        raise write_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_own(path, files):
    """Refuse to replace a folder with files that no such results have."""
    if not path.is_dir():
        return
    own = {str(Path(name)) for name in files(path)}
    for found in sorted(path.rglob("*")):
        if found.is_file() and str(found.relative_to(path)) not in own:
            raise BadInput(
                "The folder also holds a file that would be lost", found, "Move the file, or give another folder"
            )


def _replace(made, path, before):
    if path.exists():
        os.replace(path, before)
    try:
        os.replace(made, path)
    except OSError:
        if before.exists():
            os.replace(before, path)
        raise
