"""The catalogue: models that can be had, where from, under which licence, and with which recipe they run.

One catalogue ships with the extension; a file ``catalogue.json`` in the library folder adds the user's own entries.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ..errors import BadInput
from ..files import read_json
from .card import check_name
from .checking import problem_in

SHIPPED = Path(__file__).resolve().parents[2] / "Resources" / "model_catalogue.json"
SCHEMA = SHIPPED.with_name("model_catalogue.schema.json")
NAME = "catalogue.json"


@dataclass(frozen=True)
class Licence:
    """The terms of a model.

    Parameters
    ----------
    name : str
    url : str
        Where the text stands, or ''.
    must_accept : bool
        Whether the user has to agree before the model is installed.
    """

    name: str
    url: str = ""
    must_accept: bool = False

    @property
    def text(self):
        """str: name and address."""
        return f"{self.name}, {self.url}" if self.url else self.name


@dataclass(frozen=True)
class Entry:
    """A model that can be installed by its name.

    Parameters
    ----------
    name, title, description : str
        The name that it gets in the library, and two texts for people.
    recipe : str
        Name of a shipped recipe, or of a JSON file beside the catalogue.
    labels : dict of str to dict
        As in a model card: ``{name: {"value": int, "terminology": str}}``.
    licence : Licence
    citation : str
    url : str
        Where its zip is downloaded from; '' when users bring their own file.
    instructions : str
        How users come by the file themselves, or ''.
    sha256 : str
        Of the zip, hexadecimal; '' when it is not known. Known wherever there is a `url`.
    size : int
        Bytes of the zip; 0 when it is not known.
    recognise : dict
        ``dataset`` (a pattern with ``*``), ``channels`` (their number) and ``configuration`` of the model folder, by
        which a file that a user brings is told to be this one; {} when it cannot be told.
    source : Path
        The catalogue that it stands in.
    """

    name: str
    title: str
    description: str
    recipe: str
    labels: dict
    licence: Licence
    citation: str
    url: str = ""
    instructions: str = ""
    sha256: str = ""
    size: int = 0
    recognise: dict = field(default_factory=dict)
    source: Path = SHIPPED

    @property
    def recipe_source(self):
        """str or Path: what `recipe.load_recipe` takes: the shipped name, or the file beside the catalogue."""
        return self.source.parent / self.recipe if self.recipe.endswith(".json") else self.recipe

    def fits(self, network, folder_name):
        """Return whether a model folder looks like this entry.

        Parameters
        ----------
        network : object
            With ``dataset_name``, ``channel_names`` and ``configuration`` (`plans.Network`).
        folder_name : str
            Name of the folder that the model came in, such as ``Dataset105_X``.
        """
        if not self.recognise:
            return False
        channels = self.recognise.get("channels", len(network.channel_names))
        configuration = self.recognise.get("configuration", network.configuration)
        named = any(fnmatchcase(name, self.recognise["dataset"]) for name in (network.dataset_name, folder_name))
        return named and channels == len(network.channel_names) and configuration == network.configuration


def entries():
    """Return all usable entries, the shipped ones first; each part sorted by name."""
    return survey()[0]


def survey():
    """Return the usable entries, and the errors of those of the user's that are wrong.

    Returns
    -------
    list of Entry
    list of BadInput
        One wrong entry does not hide the others.
    """
    found, problems = read_catalogue(SHIPPED)
    own, more = read_catalogue(own_catalogue()) if own_catalogue().is_file() else ([], [])
    shipped = {entry.name for entry in found}
    for entry in own:
        if entry.name in shipped:
            more.append(_wrong(entry.source, entry.name, "its name is that of an entry that ships with the extension"))
    return found + [entry for entry in own if entry.name not in shipped], problems + more


def entry(name):
    """Return the `Entry` of a name.

    Raises
    ------
    BadInput
        If there is none, or the user's catalogue is wrong at it.
    """
    found, problems = survey()
    for candidate in found:
        if candidate.name == name:
            return candidate
    for problem in problems:
        if f"{name!r}" in problem.what:
            raise problem
    names = ", ".join(candidate.name for candidate in found) or "nothing"
    raise BadInput("The catalogue has no such model", name, f"It has {names}; or give a folder or zip")


def recognised(network, folder_name):
    """Return the only `Entry` that a model folder looks like, or None.

    The number in nnU-Net's ``Dataset105`` is anybody's choice, so this is to be proposed, never taken as certain.

    Parameters
    ----------
    network, folder_name
        See `Entry.fits`.
    """
    fitting = [candidate for candidate in entries() if candidate.fits(network, folder_name)]
    return fitting[0] if len(fitting) == 1 else None


def own_catalogue():
    """Return the path of the user's catalogue, which need not exist."""
    from .place import library_folder

    return library_folder() / NAME


def read_catalogue(path):
    """Return the entries of a catalogue file, sorted by name, and the errors of the others.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    list of Entry
    list of BadInput
        With the file, and the entry and field that is wrong. A file that is no catalogue at all is one error.
    """
    path = Path(path)
    try:
        record = read_json(path)
    except BadInput as error:
        return [], [error]
    definitions = catalogue_schema()["$defs"]
    wrong = problem_in(record, _schema_without_entries())
    if wrong:
        return [], [BadInput(f"The model catalogue is wrong: {wrong}", path, "See 'models catalogue --schema'")]
    found, problems = {}, []
    for number, row in enumerate(record["models"], 1):
        wrong, name = problem_in(row, definitions["entry"], definitions), _name(row, number)
        wrong = wrong or _beyond_schema(row, found)
        if wrong:
            problems.append(_wrong(path, name, wrong))
        else:
            found[name] = _entry(row, path)
    return [found[name] for name in sorted(found)], problems


@cache
def catalogue_schema():
    """Return the JSON Schema (Draft 2020-12) of a catalogue file. That names differ is checked on reading only."""
    return read_json(SCHEMA)


def _schema_without_entries():
    schema = catalogue_schema()
    models = {name: value for name, value in schema["properties"]["models"].items() if name != "items"}
    return {**schema, "properties": {**schema["properties"], "models": models}}


def _beyond_schema(row, found):
    """Return what is wrong with an entry that the schema cannot say, or ''."""
    if row["name"] in found:
        return "another entry before it has the same name"
    values = [label["value"] for label in row["labels"].values()]
    if len(set(values)) < len(values):
        return "two of its labels have the same value"
    try:
        check_name(row["name"])
    except BadInput as error:
        return f"name: {error.what}"
    return ""


def _name(row, number):
    """Return the name of an entry, wrong as it may be, or its number."""
    name = row.get("name") if isinstance(row, dict) else None
    return name[:64] if isinstance(name, str) and name.strip() else number


def _entry(row, path):
    whole = {key: int(value) if key == "size" else value for key, value in row.items()}
    labels = {key: {**label, "value": int(label["value"])} for key, label in row["labels"].items()}
    return Entry(**{**whole, "labels": labels, "licence": Licence(**row["licence"]), "source": path})


def _wrong(path, name, what):
    label = repr(name) if isinstance(name, str) else f"number {name}"
    return BadInput(f"The model catalogue's entry {label} is wrong: {what}", path, "Correct it or leave it out")
