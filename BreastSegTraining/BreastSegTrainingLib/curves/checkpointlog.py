"""nnU-Net's own log inside a checkpoint, read without torch: of its pickle only plain values and numpy's numbers.

Nothing that the pickle names is imported: every name stands for a harmless stand-in, so no code of the file runs, and
the weights stay where they are.
"""

import pickle
import zipfile
from pathlib import Path

import numpy as np

MOST_PICKLE = 256 << 20
_SCALAR = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}


class NotReadable(Exception):
    """The file is no checkpoint, or it is damaged."""


def log_in(path):
    """Return the log of a checkpoint and the number of planned epochs, where our trainers' plans tell it.

    Parameters
    ----------
    path : str or Path
        A checkpoint of nnU-Net in torch's zip format.

    Returns
    -------
    (dict of str to list, int or None)

    Raises
    ------
    NotReadable
    """
    try:
        with zipfile.ZipFile(Path(path)) as archive:
            entry = next((one for one in archive.infolist() if one.filename.endswith("/data.pkl")), None)
            if entry is None or entry.file_size > MOST_PICKLE:
                raise NotReadable("it is no checkpoint of torch")
            with archive.open(entry) as stream:
                content = _Reader(stream).load()
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise NotReadable("it is damaged or cut off") from error
    except (pickle.UnpicklingError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise NotReadable("its content is damaged") from error
    log = content.get("logging") if isinstance(content, dict) else None
    if not isinstance(log, dict):
        raise NotReadable("it holds no log")
    return {key: [_plain(value) for value in values] for key, values in log.items() if _is_series(key, values)}, (
        _planned(content)
    )


class _Reader(pickle.Unpickler):
    """Makes plain objects and numpy's numbers only."""

    def find_class(self, module, name):
        full = f"{module}.{name}"
        if full in _SCALAR:
            return _scalar
        if full == "numpy.dtype":
            return _Type
        if full == "_codecs.encode":
            return _bytes
        return _Table if full == "collections.OrderedDict" else _Inert

    def persistent_load(self, _where):
        """Return a stand-in for the numbers of a tensor, which lie elsewhere in the file."""
        return _Inert()


class _Table(dict):
    """Stands for an ordered dict, to which torch attaches more than its items."""

    def __setstate__(self, _state):
        return


class _Inert(dict):
    """Stands for anything; takes whatever a pickle does to an object, and does nothing."""

    def __new__(cls, *_arguments, **_options):
        return super().__new__(cls)

    def __init__(self, *_arguments, **_options):
        super().__init__()

    def __setstate__(self, _state):
        return

    def __setitem__(self, _key, _value):
        return

    def __hash__(self):
        return 0

    def __call__(self, *_arguments, **_options):
        return _Inert()

    def append(self, _item):
        """Take an item of a list."""

    def extend(self, _items):
        """Take items of a list."""

    def add(self, _item):
        """Take an item of a set."""


class _Type:
    """A numpy type as a pickle describes it: a code such as ``f8``, and the order of its bytes."""

    def __init__(self, code="", *_rest):
        self.code, self.order = str(code), "<"

    def __setstate__(self, state):
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "=", "|"):
            self.order = state[1]


def _scalar(kind=None, content=b"", *_rest):
    if not isinstance(kind, _Type) or not isinstance(content, bytes):
        return None
    number = np.dtype(kind.order + kind.code)
    if number.kind not in "fiub" or number.itemsize != len(content):
        return None
    return np.frombuffer(content, number)[0].item()


def _bytes(text="", coding="latin1", *_rest):
    return str(text).encode("latin1") if coding in ("latin1", "latin-1") else b""


def _is_series(key, values):
    return isinstance(key, str) and isinstance(values, list) and all(not isinstance(one, list) for one in values)


def _plain(value):
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _planned(content):
    """Return the epochs that the plans inside the checkpoint ask our trainers for."""
    arguments = content.get("init_args")
    plans = arguments.get("plans") if isinstance(arguments, dict) else None
    settings = plans.get("breastseg") if isinstance(plans, dict) else None
    epochs = settings.get("epochs") if isinstance(settings, dict) else None
    return epochs if type(epochs) is int and epochs > 0 else None
