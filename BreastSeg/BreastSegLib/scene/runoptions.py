"""What a user can choose for a run, as the worker is told."""

from ..errors import BadInput
from .texts import _


def runOptions(
    device="auto",
    tta=False,
    cleanup=True,
    folds=None,
    shortcuts=True,
    probabilities=False,
    disagreement=False,
    entropy=False,
):
    """Return the options of a run as fields of the worker's ``predict`` request.

    Parameters
    ----------
    device : str
        'auto', 'cpu', 'cuda' or 'cuda:N'. 'auto' takes a GPU, and the run fails where none works: nothing falls back
        silently.
    tta : bool
        Average over mirrored images.
    cleanup : bool
        Clean the mask up as the model's recipe says.
    folds : sequence of str or int, optional
        Which folds of the model are averaged; all by default.
    shortcuts : bool
        Skip what lies outside the breast, in DCE-MRI.
    probabilities, disagreement, entropy : bool
        Maps to make beside the mask: chance of a lesion, its standard deviation over folds or models, its entropy.

    Raises
    ------
    BadInput
        If `folds` names none.
    """
    chosen = None if folds is None else [str(fold) for fold in folds]
    if chosen == []:
        raise BadInput(_("No fold is chosen"), hint=_("Name at least one, or none at all for all of them"))
    return {
        "device": device,
        "tta": bool(tta),
        "cleanup": bool(cleanup),
        "folds": chosen,
        "shortcuts": bool(shortcuts),
        "probabilities": bool(probabilities),
        "disagreement": bool(disagreement),
        "entropy": bool(entropy),
    }
