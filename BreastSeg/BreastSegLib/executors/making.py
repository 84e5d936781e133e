"""Which executor a name stands for."""

from ..errors import BadInput
from .local import Local
from .slurm import Slurm

_CLASSES = {"local": Local, "slurm": Slurm}
NAMES = tuple(_CLASSES)


def make(name, **settings):
    """Return an executor.

    Parameters
    ----------
    name : {'local', 'slurm'}
    **settings
        Of `local.Local` or `slurm.Slurm`.

    Raises
    ------
    BadInput
        If there is none of that name.
    """
    if name not in _CLASSES:
        raise BadInput(f"There is no executor {name!r}", "", f"Choose one of {', '.join(NAMES)}")
    return _CLASSES[name](**settings)
