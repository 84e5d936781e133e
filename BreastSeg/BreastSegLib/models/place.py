"""Where the model library lies: a folder of the user's own, outside the extension, which an update would replace."""

import os
import sys
import tempfile
from pathlib import Path

from ..errors import BadInput
from ..files import read_json, write_error, write_json

ENVIRONMENT = "BREASTSEG_MODELS"
EXTENSION = Path(__file__).resolve().parents[2]
KEY = "models"


def library_folder():
    """Return the folder of the installed models; asking does not create it.

    The environment variable ``BREASTSEG_MODELS`` decides, else the user's settings file, else it is the folder for
    data that the system gives each user.

    Returns
    -------
    Path
        Absolute.

    Raises
    ------
    BadInput
        If the settings file cannot be read, or the folder lies inside the extension.
    """
    if os.environ.get(ENVIRONMENT, "").strip():
        return _outside(os.environ[ENVIRONMENT].strip(), f"environment variable {ENVIRONMENT}")
    chosen = chosen_folder()
    return _default_folder() if chosen is None else _outside(chosen, settings_file())


def chosen_folder():
    """Return the folder that the user's settings file names; None when it names none."""
    path = settings_file()
    if not path.is_file():
        return None
    settings = read_json(path)
    chosen = settings.get(KEY) if isinstance(settings, dict) else None
    if chosen is None and isinstance(settings, dict):
        return None
    if not isinstance(chosen, str) or not chosen.strip():
        raise BadInput("The settings file names no folder of models", path, "Correct or delete it")
    return Path(chosen)


def set_library_folder(folder):
    """Remember the user's choice and return it; models that are elsewhere stay there.

    Parameters
    ----------
    folder : str, Path or None
        Is made when it is missing. None goes back to the system's folder for data.

    Raises
    ------
    BadInput
        If it cannot be written to, lies inside the extension, is a file or is itself a model.
    """
    path = settings_file()
    settings = read_json(path) if path.is_file() else {}
    settings = settings if isinstance(settings, dict) else {}
    settings.pop(KEY, None)
    if folder is not None:
        folder = _outside(folder, "")
        check_writable(folder)
        settings[KEY] = str(folder)
    write_json(path, settings, overwrite=True)
    return library_folder()


def check_writable(folder):
    """Make the library folder if it is missing, and try whether files can be written there.

    Raises
    ------
    BadInput
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise BadInput("The model library has to be a folder, and this is a file", folder, "Choose a folder")
    if (folder / "plans.json").exists():
        raise BadInput("The folder is itself a model", folder, "Choose the folder above it, or an empty one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, prefix=".part-"):
            pass
    except OSError as error:
        raise write_error(error, folder) from error


def settings_file():
    """Return the path of the user's settings file, whether or not it exists."""
    if sys.platform == "win32":
        return _home("APPDATA", "AppData/Roaming") / "BreastSeg" / "settings.json"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "BreastSeg" / "settings.json"
    return _home("XDG_CONFIG_HOME", ".config") / "BreastSeg" / "settings.json"


def _default_folder():
    if sys.platform == "win32":
        return _home("LOCALAPPDATA", "AppData/Local") / "BreastSeg" / "models"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "BreastSeg" / "models"
    return _home("XDG_DATA_HOME", ".local/share") / "BreastSeg" / "models"


def _home(variable, fallback):
    """Return the folder that an environment variable names, if that is absolute, else one in the user's home."""
    named = os.environ.get(variable, "")
    return Path(named) if os.path.isabs(named) else Path.home() / fallback


def _outside(folder, where):
    """Return `folder` as an absolute path after checking that it is not part of the extension."""
    path = Path(os.path.abspath(os.path.expanduser(folder)))
    resolved = path.resolve()
    if resolved == EXTENSION or EXTENSION in resolved.parents:
        raise BadInput(
            f"The model library lies inside the extension, where an update would delete it: {path}",
            where,
            "Choose another folder",
        )
    return path
