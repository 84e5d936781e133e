"""Errors that a user can act on."""


class BreastSegError(Exception):
    """Base of the errors that are shown to the user as one line, without a traceback.

    Parameters
    ----------
    what : str
        What is wrong, in plain English.
    where : str, optional
        The file, folder, tag or field that it is about.
    hint : str, optional
        What to do about it.
    """

    code = "error"

    def __init__(self, what, where="", hint=""):
        self.what, self.where, self.hint = str(what), str(where), str(hint)
        super().__init__(self.line)

    @property
    def line(self):
        """str: what, where and what to do, as one line."""
        parts = [self.what.rstrip(". ")]
        if self.where:
            parts[0] += f" ({self.where})"
        if self.hint:
            parts.append(self.hint.rstrip(". "))
        ended = (part if part.endswith("?") else f"{part}." for part in parts)
        return " ".join(" ".join(ended).split())


class BadInput(BreastSegError):
    """The user's input cannot be used as it is."""

    code = "bad-input"


class Undecided(BadInput):
    """The files do not tell, and the user has to say.

    The answer goes into the exam's source, as ``source["decisions"] = {name: value}``.

    Parameters
    ----------
    what, where, hint : str
        As for every error.
    name : str
        What is asked, such as ``clock``.
    choices : sequence of (str, str)
        Each possible answer and its text for people.
    """

    code = "undecided"

    def __init__(self, what, where="", hint="", name="", choices=()):
        self.name, self.choices = str(name), tuple((str(value), str(text)) for value, text in choices)
        super().__init__(what, where, hint)


class Cancelled(BreastSegError):
    """The user cancelled the run."""

    code = "cancelled"

    def __init__(self, what="Cancelled", where="", hint=""):
        super().__init__(what, where, hint)


class DeviceUnavailable(BreastSegError):
    """The asked-for device does not work; nothing falls back silently."""

    code = "device"


class WorkerDied(BreastSegError):
    """The child process ended before it had answered."""

    code = "worker-died"
