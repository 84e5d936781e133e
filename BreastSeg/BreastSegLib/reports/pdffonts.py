"""Fonts of a PDF: embedded, and never a box in place of a letter."""

import unicodedata
from html import escape
from pathlib import Path

from ..errors import BadInput

PLAIN, BOLD, OTHER = "BreastSegSans", "BreastSegSans-Bold", "BreastSegOther"
# reportlab brings Bitstream Vera, which has all that the report itself says. Names of people and models may need more.
MORE = (
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "C:/Windows/Fonts/arial.ttf",
    "/System/Library/Fonts/Supplemental/Arial Unicode.ttf",
    "/Library/Fonts/Arial Unicode.ttf",
)


def reportlab_is_there():
    """Check that the package that writes PDF files is there.

    Raises
    ------
    BadInput
        In one line that says how to get it.
    """
    try:
        import reportlab  # noqa: F401
    except ImportError as error:
        raise BadInput(
            "A report as PDF needs the Python package reportlab, which is not there",
            hint="Install it: python -m pip install reportlab; or write the report as .html and print that",
        ) from error


def register_fonts():
    """Make the fonts known to reportlab, once."""
    from reportlab.lib.fonts import addMapping
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    if PLAIN in pdfmetrics.getRegisteredFontNames():
        return
    pdfmetrics.registerFont(TTFont(PLAIN, "Vera.ttf"))
    pdfmetrics.registerFont(TTFont(BOLD, "VeraBd.ttf"))
    for bold in (0, 1):
        for italic in (0, 1):
            addMapping(PLAIN, bold, italic, BOLD if bold else PLAIN)
    for path in MORE:
        if Path(path).is_file():
            try:
                pdfmetrics.registerFont(TTFont(OTHER, path))
                return
            except (TTFError, OSError):
                continue


def markup(text, font=PLAIN):
    """Return a plain text as reportlab's markup: escaped, with letters that the font lacks from another.

    Without another font they lose their accents; what is then still not there becomes a question mark.

    Parameters
    ----------
    text : str
    font : str
        A registered font.
    """
    from reportlab.pdfbase import pdfmetrics

    known = pdfmetrics.getFont(font).face.charToGlyph
    more = pdfmetrics.getFont(OTHER).face.charToGlyph if OTHER in pdfmetrics.getRegisteredFontNames() else {}
    parts = []
    for letter in unicodedata.normalize("NFC", text):
        if ord(letter) in known:
            parts.append(escape(letter))
        elif ord(letter) in more:
            parts.append(f'<font name="{OTHER}">{escape(letter)}</font>')
        else:
            bare = "".join(c for c in unicodedata.normalize("NFKD", letter) if ord(c) in known)
            parts.append(escape(bare) or "?")
    return "".join(parts).replace(f'</font><font name="{OTHER}">', "")
