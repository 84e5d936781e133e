"""Whether the checkpoints of a model may be opened, and the trust that a user gives to those that may not."""

from contextlib import contextmanager
from pathlib import Path

from ..errors import BadInput
from . import pickles, trust
from .archive import unpack
from .sources import check_source
from .workroom import workroom


class Untrusted(BadInput):
    """A checkpoint names what nnU-Net's do not; ``details`` holds the names, and the file to give trust to."""

    code = "untrusted"

    def __init__(self, what, where="", hint="", globals_=()):
        self.details = {"globals": list(globals_), "files": [str(where)]}
        super().__init__(what, where, hint)


def check_checkpoints(folder, names, shown, library=None):
    """Refuse checkpoints whose pickles name what is not known to be harmless, unless the user trusts the very file.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        Relative; what does not end in ``.pth`` is passed over.
    shown : Path
        The folder or zip that the user knows.
    library : Path, optional
        Where trust is remembered; the user's model library when not given.

    Raises
    ------
    Untrusted
        If trust would help.
    BadInput
        If it would not: the file serves to run code, or cannot be read.
    """
    refused = []
    for name in names:
        if not name.endswith(".pth"):
            continue
        unknown = pickles.unknown_globals(folder / name)
        try:
            trust.check_checkpoint(folder / name, library)
        except BadInput as error:
            if not unknown or any(pickles.runs_code(one) for one in unknown):
                raise BadInput(error.what, f"{shown}: {name}", error.hint) from error
            refused.append((name, unknown))
    if refused:
        found = sorted({one for _name, unknown in refused for one in unknown})
        what = (
            f"The checkpoint {refused[0][0]} asks for something that no nnU-Net checkpoint needs: {', '.join(found)}"
        )
        raise Untrusted(what, shown, f'If you know where it comes from: models trust "{shown}" --yes', found)


def untrusted_in(source, yes=False, library=None):
    """Return what checkpoints name beyond nnU-Net's own, by relative file name; give trust to them if `yes`.

    Parameters
    ----------
    source : str or Path
        A checkpoint, a model folder or a zip.
    yes : bool
        Remember that the user trusts these very files with these names.
    library : Path, optional

    Returns
    -------
    dict of str to tuple of str
        Empty when no trust is needed.

    Raises
    ------
    BadInput
        If there is no checkpoint, one cannot be read, or one names what serves to run code.
    """
    with _checkpoints_of(source, library) as (folder, paths):
        names = {path: pickles.unknown_globals(path) for path in paths}
        names = {path: unknown for path, unknown in names.items() if unknown}
        if yes:
            for path, unknown in names.items():
                trust.trust(path, unknown, library)
        return {path.relative_to(folder).as_posix(): unknown for path, unknown in names.items()}


def distrust_in(source, library=None):
    """Take back the trust in checkpoints of a source as `untrusted_in` takes it, and return their number.

    Raises
    ------
    BadInput
        If none of them is trusted.
    """
    with _checkpoints_of(source, library) as (_folder, paths):
        known = trust.trusted(library)
        hashes = {sha256 for path in paths if (sha256 := trust.file_hash(path)) in known}
    if not hashes:
        raise BadInput("No trusted checkpoint is in it", source)
    for sha256 in sorted(hashes):
        trust.distrust(sha256, library)
    return len(hashes)


@contextmanager
def _checkpoints_of(source, library):
    """Give the folder and the paths of the checkpoints in a checkpoint, a model folder or a zip."""
    path = Path(source)
    if path.is_file() and path.suffix.lower() == ".pth":
        yield path.parent, [path]
        return
    path = check_source(path)
    if path.is_dir():
        yield path, _some(path.rglob("fold_*/checkpoint_*.pth"), path)
        return
    with workroom(library) as room:
        unpack(path, room / "source")
        yield room / "source", _some((room / "source").rglob("*.pth"), path)


def _some(paths, shown):
    paths = sorted(paths)
    if not paths:
        raise BadInput("There is no checkpoint", shown, "Give a checkpoint, a model folder or a zip")
    return paths
