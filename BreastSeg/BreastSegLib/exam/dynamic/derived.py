"""Recognise images that are no phase of the dynamic: computed ones, localisers, diffusion, other modalities."""

import re

TYPE_REASONS = (
    ({"LOCALIZER", "SCOUT"}, "localiser"),
    ({"SUBTRACTION", "SUBTRACT", "SUB"}, "subtraction"),
    ({"MIP", "MIN_IP", "MINIP", "PROJECTION", "PROJECTION IMAGE", "MAX_IP"}, "projection (MIP)"),
    ({"MPR", "REFORMATTED", "RESAMPLED", "CSAMANIPULATED"}, "reformatted images"),
    ({"DIFFUSION", "ADC", "TRACEW", "EADC", "FA", "TENSOR", "CALC_BVALUE"}, "diffusion"),
    ({"PHASE MAP", "P", "R", "I", "PHASE", "REAL", "IMAGINARY", "VELOCITY"}, "no magnitude image"),
    ({"SECONDARY", "SCREEN SAVE", "SCREENSAVE"}, "computed images (image type SECONDARY)"),
)
# Whole words of the description only: "subject" is no subtraction.
WORD_REASONS = (
    (r"loc|localizer|localiser|scout|survey|3[- ]?plane", "localiser"),
    (r"sub|subs|subtr\w*", "subtraction"),
    (r"mips?|projection", "projection (MIP)"),
    (r"mpr|reformat\w*", "reformatted images"),
    (r"dwi|diff|diffusion|adc|e?dwibs|trace", "diffusion"),
)
DIXON = (
    (("W", "WATER"), "water"),
    (("F", "FAT"), "fat"),
    (("IP", "IN_PHASE", "INPHASE"), "in phase"),
    (("OP", "OUT_PHASE", "OUTPHASE", "OPP_PHASE", "OPPOSED_PHASE"), "opposed phase"),
)


def reason_to_leave_out(header):
    """Return why an image cannot belong to a phase, or "".

    The description decides only where it names a computed image.
    """
    if header.modality and header.modality != "MR":
        return f"modality {header.modality}, not MR"
    if min(header.shape) < 1:
        return "holds no image"
    if header.frames > 1 and header.frame is None:
        return "several frames in one file of the classic kind, without their places"
    kinds = _kinds(header)
    for words, reason in TYPE_REASONS:
        if kinds & words:
            return reason
    if header.image_type[:1] == ("DERIVED",) and not dixon_kind(header):
        return "computed images (image type DERIVED)"
    if header.b_value or re.search(r"ep_b\d", header.sequence):
        return "diffusion"
    for words, reason in WORD_REASONS:
        if re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", header.description.replace("_", " ")):
            return reason
    return ""


def dixon_kind(header):
    """Return ``water``, ``fat``, ``in phase`` or ``opposed phase`` when the image type says so, else ""."""
    kinds = _kinds(header)
    return next((name for words, name in DIXON if kinds & set(words)), "")


def _kinds(header):
    kinds = set(header.image_type[1:])
    # Philips writes the kind before the sequence: P_FFE, R_SE.
    return kinds | {part[0] for part in kinds if re.match(r"[MPRI]_", part)}
