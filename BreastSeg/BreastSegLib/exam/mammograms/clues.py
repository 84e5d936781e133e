"""What the tags of a mammogram say about side and view, and which of them decides."""

from dataclasses import dataclass, field

from ..dicom.values import code_values, items, parts, text
from . import codes, words

DESCRIPTIONS = (
    ("SeriesDescription", "Series Description"),
    ("ProtocolName", "Protocol Name"),
    ("AcquisitionDeviceProcessingDescription", "Acquisition Device Processing Description"),
    ("ImageComments", "Image Comments"),
    # CBIS-DDSM puts the view here.
    ("PatientID", "words in the patient's identifier"),
)


@dataclass
class Clues:
    """What says which side and view, most trusted first.

    Parameters
    ----------
    sides, positions : list of (str, str)
        Value and where it stands.
    notes : list of str
    """

    sides: list = field(default_factory=list)
    positions: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def add(self, laterality, position, source):
        """Add one source, less trusted than those before it; empty values say nothing."""
        if laterality:
            self.sides.append((laterality, source))
        if position:
            self.positions.append((position, source))

    @property
    def complete(self):
        """bool: whether both side and view are told."""
        return bool(self.sides and self.positions)

    def decide(self):
        """Return laterality, position, the evidence, and the contradictions among the sources."""
        contradictions = []
        for name, found in (("side", self.sides), ("view", self.positions)):
            for value, source in found[1:]:
                if value != found[0][0]:
                    contradictions.append(f"{name}: {found[0][1]} says {found[0][0]}, {source} says {value}")
        laterality, side_source = self.sides[0] if self.sides else ("", "")
        position, view_source = self.positions[0] if self.positions else ("", "")
        if side_source and side_source == view_source:
            evidence = f"side and view: {side_source}"
        else:
            evidence = f"side: {side_source or 'unknown'}; view: {view_source or 'unknown'}"
        return laterality, position, evidence, tuple(dict.fromkeys(contradictions))


def clues_of(data):
    """Return the `Clues` in the tags of a DICOM image.

    Parameters
    ----------
    data : pydicom.Dataset
    """
    clues = Clues()
    _tagged_sides(clues, data)
    _tagged_positions(clues, data)
    for keyword, name in DESCRIPTIONS:
        clues.add(*words.side_and_view(" ".join(parts(data, keyword))), name)
    return clues


def modifiers_of(data):
    """Return the view modifiers, such as ``magnification``, from the view code and from View Position."""
    known = codes.by_code("modifiers")
    found = [
        known.get(code)
        for item in items(data, "ViewCodeSequence")
        for code in code_values(item, "ViewModifierCodeSequence")
    ]
    letters = text(data, "ViewPosition").upper()
    if letters.endswith("ID"):
        found.append("implant displaced")
    return tuple(dict.fromkeys(name for name in found if name))


def _tagged_sides(clues, data):
    sides = codes.by_word("sides")
    groups = [item for s in ("SharedFunctionalGroupsSequence",) for item in items(data, s)]
    frames = [text(anatomy, "FrameLaterality") for g in groups for anatomy in items(g, "FrameAnatomySequence")]
    for name, value in (
        ("Image Laterality", text(data, "ImageLaterality")),
        ("Laterality", text(data, "Laterality")),
        *(("Frame Laterality", value) for value in frames),
        ("Frame Laterality", text(data, "FrameLaterality")),
    ):
        value = value.upper()
        clues.add(sides.get(value, ""), "", name)
        if value in ("B", "BOTH"):
            clues.notes.append(f"{name} says that both breasts are in the image.")
        elif value and value not in sides and value not in ("U", "UNPAIRED"):
            clues.notes.append(f"{name} holds a word that is no side.")
    known = codes.by_code("sides")
    for item in items(data, "AnatomicRegionSequence"):
        for code in [text(item, "CodeValue"), *code_values(item, "AnatomicRegionModifierSequence")]:
            clues.add(known.get(code, ""), "", "Anatomic Region Sequence")


def _tagged_positions(clues, data):
    letters = text(data, "ViewPosition").upper()
    names = codes.table()["views"]
    if letters in names:
        clues.add("", letters, "View Position")
    elif letters:
        side, position = words.side_and_view(letters)
        clues.add(side, position, "View Position")
        if not position:
            clues.notes.append("View Position holds a word that is no mammographic view.")
    known = codes.by_code("views")
    sequence = items(data, "ViewCodeSequence")
    for item in sequence:
        clues.add("", known.get(text(item, "CodeValue"), ""), "View Code Sequence")
    if sequence and not any(text(item, "CodeValue") in known for item in sequence):
        clues.notes.append("View Code Sequence holds a private or unknown code.")
    # Some archives write the view where the orientation belongs.
    side, position = words.side_and_view(" ".join(parts(data, "PatientOrientation")))
    clues.add(side if position else "", position, "Patient Orientation, which holds a view instead")
