"""Files that appear whole or not at all."""

import errno
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

from .errors import BadInput


def check_output(path, overwrite=False):
    """Return `path` as a Path after checking that it may be written.

    Raises
    ------
    BadInput
        If it exists and `overwrite` is false, or it is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise BadInput("The output is a folder", path, "Give a file name")
    if path.exists() and not overwrite:
        raise BadInput("The output exists", path, "Give another name or --overwrite")
    return path


@contextmanager
def whole_file(path, overwrite=False):
    """Give a temporary path beside `path` to write to; it takes the name `path` only when the block ends well.

    The temporary name keeps the ending of `path`, because image writers choose the format by it.

    Parameters
    ----------
    path : str or Path
        The file to write. Missing folders are made.
    overwrite : bool
        Replace an existing file.

    Raises
    ------
    BadInput
        If the file exists and may not be replaced, or the disk is full or not writable.
    """
    path = check_output(path, overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".part-", suffix="-" + path.name, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise write_error(error, path) from error
    temporary = Path(temporary)
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(error, path) from error
    except RuntimeError as error:
        # SimpleITK reports a failed write (a full disk included) as RuntimeError.
        raise BadInput(
            "The file could not be written", path, f"Check the free space and the folder: {_last_line(error)}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_image(image, path, shown=None):
    """Write a SimpleITK image, compressed, and read it back.

    The NIfTI writer does not notice a full disk and leaves half a file without an error.

    Parameters
    ----------
    image : SimpleITK.Image
    path : str or Path
        The ending decides the format. Write to a temporary name (see `whole_file`): a half file is left to the caller.
    shown : str or Path, optional
        The name that the user knows the file by.

    Raises
    ------
    BadInput
        If the file could not be written whole.
    """
    import numpy as np
    import SimpleITK as sitk

    sitk.WriteImage(image, str(path), useCompression=True)
    try:
        back = sitk.ReadImage(str(path))  # a view lives only as long as its image
        same = np.array_equal(sitk.GetArrayViewFromImage(back), sitk.GetArrayViewFromImage(image), equal_nan=True)
    except RuntimeError:
        same = False
    if not same:
        raise BadInput("The file could not be written whole", shown or path, "Check the free space; nothing was kept")


def write_error(error, path):
    """Return the `BadInput` that explains an OSError met while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC):
        return BadInput("The disk is full", path, "Free some space or choose another folder; nothing was written")
    return BadInput(
        f"The file could not be written: {error.strerror or error}", path, "Choose a folder that you may write to"
    )


def write_json(path, record, overwrite=False):
    """Write `record` as indented UTF-8 JSON, whole or not at all."""
    with whole_file(path, overwrite) as temporary:
        temporary.write_text(
            json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )


def read_json(path):
    """Return the content of a JSON file.

    Raises
    ------
    BadInput
        If it is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"The file cannot be read: {error.strerror}", path) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The file is not valid JSON: {error}", path) from error


def _mode(path):
    """Return the permissions of a new file; one that is replaced keeps its own, as it may be private."""
    return path.stat().st_mode & 0o777 | 0o200 if path.exists() else 0o666 & ~_umask()


def _umask():
    value = os.umask(0)
    os.umask(value)
    return value


def _last_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
