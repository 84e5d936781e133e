"""What is known of an exam before any pixel is read."""

from dataclasses import dataclass

from ..volume import Geometry


@dataclass(frozen=True)
class ExamScan:
    """What is there before any pixel is read.

    Parameters
    ----------
    phases : tuple of Phase
        In time order, with their files in slice order.
    left_out : tuple of (str, str)
        Series (by number) and why it is no phase.
    notes : tuple of str
    geometry : Geometry or None
        Of the reference phase (the first post-contrast phase).
    manufacturer : str
    geometries : tuple of Geometry
        One for each phase.
    images : tuple of tuple of SliceRef
        Where the pixels of each slice of each phase are.
    breast : str
        Which tag speaks of a breast exam; "" when none does.
    spacing_known : bool
        False when the files do not tell the voxel size.
    """

    phases: tuple
    left_out: tuple = ()
    notes: tuple = ()
    geometry: Geometry | None = None
    manufacturer: str = ""
    geometries: tuple = ()
    images: tuple = ()
    breast: str = ""
    spacing_known: bool = True

    def to_json(self):
        """dict: the scan without file names."""
        return {
            "phases": [phase.to_json() for phase in self.phases],
            "left_out": [list(row) for row in self.left_out],
            "notes": list(self.notes),
            "geometry": self.geometry.to_json() if self.geometry else None,
            "manufacturer": self.manufacturer,
            "breast": self.breast,
            "spacing_known": self.spacing_known,
        }
