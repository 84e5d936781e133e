"""Masks of a result as DICOM segmentations: one segment for each lesion that was measured."""

from ..errors import BadInput
from ..measures import lesion_labels
from ..measures.whole import MOST
from ..volume import Volume

# highdicom is imported in the functions: it takes a second, and most runs write no DICOM.
SHORT = 12  # digits of a model's checksum


def lesion_seg(sources, mask, measures, card, connected=True, edited=False, view=None):
    """Return the DICOM segmentation of lesions, numbered as they are measured.

    Parameters
    ----------
    sources : Sources
        See `reports.dicom.sources.sources_of`.
    mask : Volume
    measures : dict
        Of this mask.
    card : dict
        Of the model, with its ``hash``; {} for what was drawn by hand.
    connected : bool
        As it was measured: whether each connected piece of a label is a lesion.
    edited : bool
        Whether somebody has changed what the model found.
    view : int, optional
        Index of the mammogram.

    Raises
    ------
    BadInput
        If there is no lesion, or the mask does not belong to the images or the measures.
    """
    from ..reports.dicom.segmentation import lesion_segments, make_seg

    labels, values = lesion_labels(mask, connected)
    segments = lesion_segments(measures, term_of(card), algorithm_of(card), edited, view)
    if len(segments) == MOST < len(values):
        what = f"The mask falls into {len(values):,} pieces, which looks like noise: a DICOM segmentation holds {MOST}"
        raise BadInput(what, hint="Clean the mask up, or save it as .nrrd or .nii.gz")
    return make_seg(sources, Volume(labels, mask.geometry), segments)


def raw_seg(sources, raw, card):
    """Return the DICOM segmentation of a mask as it was before the clean-up; parameters as for `lesion_seg`."""
    from ..reports.dicom.segmentation import Segment, make_seg

    labels, values = lesion_labels(raw)
    if len(values) > MOST:  # noise: one segment for each label
        labels, values = lesion_labels(raw, connected=False)
    names = [f"Region {number} before the clean-up" for number in range(1, len(values) + 1)]
    term, algorithm, side = term_of(card), algorithm_of(card), sources.side
    segments = [Segment(number, name, term, side, algorithm) for number, name in enumerate(names, 1)]
    return make_seg(sources, Volume(labels, raw.geometry), segments, "Breast lesions before the clean-up")


def algorithm_of(card):
    """Return what DICOM objects say of a model; None without one."""
    from ..reports.dicom.segmentation import Algorithm

    if not card:
        return None
    version = str(card.get("version") or "") or str(card.get("hash") or "unknown")[:SHORT]
    return Algorithm(card["name"], version)


def term_of(card):
    """Return the term of a model's lesions; that of a mass where its labels have several or none."""
    terms = {row.get("terminology") for row in (card.get("labels") or {}).values()} - {None}
    return terms.pop() if len(terms) == 1 else "mass"


def card_of(model):
    """Return the card of a model with its checksum."""
    return {**model.card, "hash": model.hash}
