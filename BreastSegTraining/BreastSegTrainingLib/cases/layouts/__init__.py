"""The datasets whose folders become a case table, one file for each layout."""

from dataclasses import dataclass, field
from functools import cache

from BreastSegLib.errors import BadInput

from . import bids, breastdm, cbis_ddsm, folder, inbreast, mama_mia
from .description import description

_READERS = {
    "inbreast": inbreast.read,
    "cbis-ddsm": cbis_ddsm.read,
    "breastdm": breastdm.read,
    "mama-mia": mama_mia.read,
    "folder": folder.read,
    "bids": bids.read,
}


@dataclass(frozen=True)
class Option:
    """Something that the user may choose.

    Parameters
    ----------
    name : str
        As it stands on the command line; in Python with ``_`` instead of ``-``.
    default : str
        '': the files tell, or it is not needed.
    choices : tuple of str
        Empty: any text.
    help : str
    """

    name: str
    default: str
    choices: tuple
    help: str

    @property
    def argument(self):
        """str: its name in Python."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Layout:
    """A way in which a dataset lies on the disk.

    Parameters
    ----------
    name, title, help : str
    read : callable
        ``read(source, report=None, **options)`` returns an `Imported`.
    options : tuple of Option
    """

    name: str
    title: str
    help: str
    read: object = field(repr=False)
    options: tuple = ()


@cache
def _layouts():
    found = {}
    for name, row in description()["layouts"].items():
        options = tuple(
            Option(option, one["default"], tuple(one["choices"]), one["help"])
            for option, one in row["options"].items()
        )
        found[name] = Layout(name, row["title"], row["help"], _READERS[name], options)
    return found


LAYOUTS = _layouts()


def read_layout(name, source, report=None, **options):
    """Return the cases of a dataset.

    Parameters
    ----------
    name : str
        One of `LAYOUTS`.
    source : str or Path
        The dataset's folder.
    report : callable, optional
        ``report(stage, done, total)``; may raise `Cancelled`.
    **options : str
        Those of the layout; None or '' stands for the default.

    Returns
    -------
    Imported

    Raises
    ------
    BadInput
        If the layout or an option is unknown, or nothing in the folder could be read.
    """
    layout = LAYOUTS.get(name)
    if layout is None:
        raise BadInput(f"There is no layout {name!r}", hint=f"Layouts are {', '.join(LAYOUTS)}")
    given = {key: value for key, value in options.items() if value not in (None, "")}
    known = {option.argument: option for option in layout.options}
    for key, value in given.items():
        if key not in known:
            names = ", ".join(option.name for option in layout.options)
            raise BadInput(f"The layout {name} has no option {key.replace('_', '-')}", hint=f"Its options are {names}")
        if known[key].choices and value not in known[key].choices:
            what = f"{known[key].name} {value!r} is none of {', '.join(known[key].choices)}"
            raise BadInput(what, f"layout {name}")
    imported = layout.read(source, report, **{key: given.get(key, option.default) for key, option in known.items()})
    if not len(imported.table):
        found = imported.not_read[0].line if imported.not_read else " ".join(imported.notes)
        raise BadInput(f"No case could be read: {found}".rstrip(" :"), source, f"{layout.title} is: {layout.help}")
    return imported
