"""Which versions a run needs: the one data file, and the comparison. Works in any Python 3 and needs no packages."""

import re
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements-run.txt"
REPORT_FORMAT = "breastseg-environment-1"  # of what `environment` answers
IMPORT_LIMIT_S = 120.0  # one import; a virus scanner that sees torch for the first time takes about a minute


def read_requirements(path=REQUIREMENTS):
    """Return {distribution: conditions} of a requirements file, such as {'torch': '>=2.6,!=2.9.*'}, in its order.

    Raises
    ------
    ValueError
        If a line is not a name with conditions.
    """
    result = {}
    for line in Path(str(path)).read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        match = re.match(r"^([A-Za-z0-9._-]+)\s*((?:(?:[<>!=]=|[<>])[^,]+,?)*)$", text)
        if text and match is None:
            raise ValueError("not a requirement: " + line)
        if text:
            result[match.group(1)] = match.group(2).replace(" ", "")
    return result


def compare(version, conditions):
    """Compare a version with its conditions.

    Parameters
    ----------
    version : str
        ``2.12.1+cu130``; only the numbers up to the first that is none count.
    conditions : str
        ``>=2.6,!=2.9.*``.

    Returns
    -------
    tuple of bool
        Whether it is within the limits, and whether it is the version that was tested (True where none is named).
    """
    within = tested = True
    for condition in filter(None, conditions.split(",")):
        operator, wanted = re.match(r"^([<>!=]=|[<>])(.+)$", condition).groups()
        holds = _holds(_numbers(version), operator, wanted)
        if operator == "==":
            tested = tested and holds
        else:
            within = within and holds
    return within, tested


def base_version(version):
    """Return the numbers of a version, without what names its build: ``2.12.1`` of ``2.12.1+cu130``."""
    return ".".join(map(str, _numbers(version)))


def _holds(numbers, operator, wanted):
    if wanted.endswith(".*"):
        start = _numbers(wanted[:-2])
        same = numbers[: len(start)] == start
        return same if operator == "==" else not same
    limit = _numbers(wanted)
    size = max(len(numbers), len(limit))
    have, want = (row + (0,) * (size - len(row)) for row in (numbers, limit))
    return {
        ">=": have >= want,
        "<=": have <= want,
        ">": have > want,
        "<": have < want,
        "==": have == want,
        "!=": have != want,
    }[operator]


def _numbers(version):
    match = re.match(r"^\d+(\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()
