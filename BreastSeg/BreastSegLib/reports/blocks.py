"""What a report is made of, whatever it is written as: sections of paragraphs, tables and figures."""

from dataclasses import dataclass, field

from ..errors import BadInput

TEXT_LIMIT = 600  # characters of one cell or paragraph; longer ones are cut, and say so
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
GAP_MM = 2.5  # between the figures of a row


@dataclass(frozen=True)
class Paragraph:
    """A plain text.

    Parameters
    ----------
    text : str
    style : {'', 'notice', 'small'}
    """

    text: str
    style: str = ""


@dataclass(frozen=True)
class Bullets:
    """Plain texts below each other."""

    texts: tuple


@dataclass(frozen=True)
class Table:
    """Plain texts in rows and columns.

    Parameters
    ----------
    rows : tuple of tuple of str
    header : tuple of str
        Empty for a table of names and values.
    numeric : tuple of int
        Columns whose texts are numbers, set to the right.
    shares : tuple of float
        Width of each column, of the whole; equal ones when not given.
    meanings : tuple of str
        What each column is, for who asks (HTML only).
    """

    rows: tuple
    header: tuple = ()
    numeric: tuple = ()
    shares: tuple = ()
    meanings: tuple = ()


@dataclass(frozen=True)
class Figure:
    """A picture.

    Parameters
    ----------
    data : bytes
        PNG or JPEG.
    caption : str
    size : tuple of int
        Width and height in pixels.
    """

    data: bytes = field(repr=False)
    caption: str
    size: tuple

    @property
    def kind(self):
        """str: ``png`` or ``jpeg``."""
        return "png" if self.data.startswith(PNG) else "jpeg"

    @property
    def aspect(self):
        """float: width over height."""
        return self.size[0] / self.size[1]

    @classmethod
    def of(cls, data, caption):
        """Return the figure of a PNG or JPEG.

        Raises
        ------
        BadInput
            If the bytes are no such picture.
        """
        import io

        from PIL import Image

        try:
            if not bytes(data).startswith((JPEG, PNG)):
                raise ValueError
            with Image.open(io.BytesIO(data)) as image:
                size = image.size
                image.verify()
        except Exception as error:  # noqa: BLE001 - a damaged picture makes Pillow raise almost any exception
            raise BadInput("A picture for the report is no PNG or JPEG", caption, "Save it again") from error
        return cls(bytes(data), caption, size)


@dataclass(frozen=True)
class FigureRow:
    """Pictures beside each other, all equally high.

    Parameters
    ----------
    figures : tuple of Figure
    height_mm : float
        At most.
    """

    figures: tuple
    height_mm: float = 62.0

    def widths(self, total_mm):
        """Return the width of each figure in mm so that they fit beside each other into `total_mm`."""
        room = total_mm - GAP_MM * (len(self.figures) - 1)
        height = min(self.height_mm, room / sum(figure.aspect for figure in self.figures))
        return [figure.aspect * height for figure in self.figures]


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Parameters
    ----------
    heading : str
    blocks : tuple of Paragraph, Bullets, Table or FigureRow
    half : bool
        Two such sections that follow each other stand side by side.
    """

    heading: str
    blocks: tuple
    half: bool = False


def shortened(text, limit=TEXT_LIMIT):
    """Return a text on one line without control characters, cut at `limit` characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return plain if len(plain) <= limit else plain[: limit - 2].rstrip() + " …"


def rows_of(sections):
    """Return the sections as lists of one, or of two that stand side by side."""
    rows = []
    for section in sections:
        if section.half and rows and len(rows[-1]) == 1 and rows[-1][0].half:
            rows[-1].append(section)
        else:
            rows.append([section])
    return rows
