"""Arguments that decide how lesions are measured, shared by the verbs."""

from ..errors import BadInput
from ..measures import Settings


def add_settings(parser):
    """Add the argument with which thresholds of the kinetics are changed."""
    names = ", ".join(Settings().to_json())
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"change a threshold of the kinetics; may be repeated. Names: {names}",
    )


def settings_of(options):
    """Return the thresholds that the user changed, as {name: number}.

    Raises
    ------
    BadInput
        If one is not written NAME=VALUE, is unknown, or its value is not possible.
    """
    wrong = next((text for text in options.setting if "=" not in text), None)
    if wrong is not None:
        raise BadInput("A setting is written NAME=VALUE", wrong, "Names: " + ", ".join(Settings().to_json()))
    given = dict(text.split("=", 1) for text in options.setting)
    settings = Settings.from_json({name.strip(): value for name, value in given.items()}).to_json()
    return {name.strip(): settings[name.strip()] for name in given}
