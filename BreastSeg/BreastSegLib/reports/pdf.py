"""A report as PDF on A4 (reportlab, which Slicer does not bundle)."""

import io
from contextlib import contextmanager

from .. import __version__
from ..files import whole_file
from .blocks import GAP_MM, Bullets, FigureRow, Paragraph, rows_of
from .pdffonts import BOLD, PLAIN, markup, register_fonts, reportlab_is_there

MARGIN_MM, FOOT_MM, COLUMN_GAP_MM = 10.0, 14.0, 6.0
SIZE, SMALL, TINY = 8.0, 7.0, 6.5  # points
TALLEST = 560.0  # points, of two sections side by side
NARROW = 9  # columns; tables with more are set smaller
TIGHT = 48  # points for a column on average, below which words would be broken
INK, GREY, PALE = "#111111", "#444444", "#cccccc"


def write_pdf(path, content, overwrite=False):
    """Write a report as PDF, whole or not at all.

    Parameters
    ----------
    path : str or Path
    content : report.Content
    overwrite : bool

    Raises
    ------
    BadInput
        If reportlab is missing, or the file exists or cannot be written.
    """
    data = pdf_bytes(content)
    with whole_file(path, overwrite) as temporary:
        temporary.write_bytes(data)


def pdf_bytes(content):
    """Return a report as the bytes of a PDF with embedded fonts; its properties tell nothing of the patient.

    Raises
    ------
    BadInput
        If reportlab is missing.
    """
    reportlab_is_there()
    register_fonts()
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    stream = io.BytesIO()
    document = BaseDocTemplate(
        stream,
        pagesize=A4,
        title=content.title,
        author=f"BreastSeg {__version__}",
        subject=content.notice,
        creator=f"BreastSeg {__version__}",
        keywords="",
        lang="en",
    )
    frame = Frame(
        MARGIN_MM * mm,
        FOOT_MM * mm,
        A4[0] - 2 * MARGIN_MM * mm,
        A4[1] - (MARGIN_MM + FOOT_MM) * mm,
        *(0, 0, 0, 0),
    )
    document.addPageTemplates([PageTemplate("page", [frame])])
    story = _Layout(frame._width).story(content)
    with _binary():
        document.build(story, canvasmaker=_numbered(content.footer))
    return stream.getvalue()


@contextmanager
def _binary():
    """Let reportlab write streams as they are: its text encoding takes longest of all, and a fifth more room."""
    from reportlab import rl_config

    before, rl_config.useA85 = rl_config.useA85, 0
    try:
        yield
    finally:
        rl_config.useA85 = before


class _Layout:
    """Makes reportlab's flowables of sections.

    Parameters
    ----------
    width : float
        Of the page between its margins, points.
    """

    def __init__(self, width):
        from reportlab.lib.styles import ParagraphStyle

        self._width = width
        base = ParagraphStyle("base", fontName=PLAIN, fontSize=SIZE, leading=SIZE * 1.25, textColor=INK)

        def style(name, **values):
            return ParagraphStyle(name, parent=base, **values)

        self._styles = {
            "": base,
            "title": style("title", fontName=BOLD, fontSize=15, leading=18),
            "heading": style("heading", fontName=BOLD, fontSize=9.5, leading=12, spaceBefore=6),
            "notice": style("notice", fontName=BOLD),
            "small": style("small", fontSize=SMALL, leading=SMALL * 1.25, spaceBefore=2, textColor=GREY),
            "caption": style("caption", fontSize=TINY, leading=TINY * 1.2),
            "name": style("name", textColor=GREY),
            "number": style("number", alignment=2),
            "head": style("head", fontName=BOLD, fontSize=SMALL, leading=SMALL * 1.15),
            "headnumber": style("headnumber", fontName=BOLD, fontSize=SMALL, leading=SMALL * 1.15, alignment=2),
            "fine": style("fine", fontSize=SMALL, leading=SMALL * 1.25),
            "finenumber": style("finenumber", fontSize=SMALL, leading=SMALL * 1.25, alignment=2),
            "finehead": style("finehead", fontName=BOLD, fontSize=TINY, leading=TINY * 1.15),
            "fineheadnumber": style("fineheadnumber", fontName=BOLD, fontSize=TINY, leading=TINY * 1.15, alignment=2),
        }

    def story(self, content):
        """Return all that the report says."""
        from reportlab.platypus import Spacer

        parts = [self._text(content.title, "title"), Spacer(1, 3), self._notice(content.notice)]
        for row in rows_of(content.sections):
            parts += self._side_by_side(row) if len(row) > 1 else self._section(row[0], self._width)
        return parts

    def _text(self, text, style=""):
        from reportlab.platypus import Paragraph as Flowable

        chosen = self._styles[style]
        return Flowable(markup(text, chosen.fontName), chosen)

    def _notice(self, text):
        return self._grid([[self._text(text, "notice")]], [self._width], [("BOX", (0, 0), (-1, -1), 1.2, INK)], 4)

    def _section(self, section, width):
        """Return the flowables of a section; its heading stays with what follows, a short section in one piece."""
        from reportlab.platypus import CondPageBreak, KeepTogether

        heading = [self._text(section.heading, "heading"), self._rule(width)]
        blocks = [self._block(block, width) for block in section.blocks]
        first, rest = blocks[0], blocks[1:]
        if self._is_long(section.blocks[0]):
            return [CondPageBreak(80), *heading, first, *rest]
        return [KeepTogether([*heading, first]), *rest]

    def _side_by_side(self, sections):
        from reportlab.platypus import Spacer

        gap = COLUMN_GAP_MM * 72 / 25.4
        width = (self._width - gap * (len(sections) - 1)) / len(sections)
        cells, widths = [], []
        for section in sections:
            parts = [self._text(section.heading, "heading"), self._rule(width)]
            parts += [self._block(block, width) for block in section.blocks]
            if sum(part.wrap(width, TALLEST)[1] for part in parts) > TALLEST:  # cells cannot go on on another page
                return [part for each in sections for part in self._section(each, self._width)]
            cells += [parts, ""]
            widths += [width, gap]
        return [Spacer(1, 7), self._grid([cells[:-1]], widths[:-1], [], 0)]

    def _is_long(self, block):
        return len(getattr(block, "rows", ())) > 20 or len(getattr(block, "texts", ())) > 8

    def _rule(self, width):
        from reportlab.platypus import HRFlowable

        return HRFlowable(width, 0.6, color=GREY, spaceBefore=0.5, spaceAfter=2, hAlign="LEFT")

    def _block(self, block, width):
        if isinstance(block, Paragraph):
            return self._text(block.text, block.style)
        if isinstance(block, Bullets):
            rows = [[self._text("•"), self._text(text)] for text in block.texts]
            return self._grid(rows, [9, width - 9], [], 0.5)
        return self._figures(block, width) if isinstance(block, FigureRow) else self._table(block, width)

    def _figures(self, row, width):
        from reportlab.platypus import Image

        gap = GAP_MM * 72 / 25.4
        widths = [w * 72 / 25.4 for w in row.widths(width * 25.4 / 72 - 0.5)]
        cells, columns = [], []
        for figure, size in zip(row.figures, widths):
            image = Image(io.BytesIO(figure.data), size, size / figure.aspect)
            cells += [[image, self._text(figure.caption, "caption")], ""]
            columns += [size, gap]
        return self._grid([cells[:-1]], columns[:-1], [("BOTTOMPADDING", (0, 0), (-1, -1), 3)], 0)

    def _table(self, table, width):
        columns = len(table.rows[0])
        fine = "fine" if columns > NARROW or width / columns < TIGHT else ""
        shares = table.shares or [1 / len(table.rows[0])] * len(table.rows[0])
        lines = [
            [
                self._text(
                    t,
                    fine + "number" if i in table.numeric else fine or ("name" if i == 0 and not table.header else ""),
                )
                for i, t in enumerate(row)
            ]
            for row in table.rows
        ]
        style = [("LINEBELOW", (0, 0), (-1, -1), 0.3, PALE)]
        if table.header:
            head = [
                self._text(t, f"{fine}head{'number' if i in table.numeric else ''}")
                for i, t in enumerate(table.header)
            ]
            lines.insert(0, head)
            style += [("LINEBELOW", (0, 0), (-1, 0), 0.7, INK), ("VALIGN", (0, 0), (-1, 0), "BOTTOM")]
        return self._grid(lines, [share * width for share in shares], style, 1, repeat=bool(table.header), gap=5)

    def _grid(self, rows, widths, style, pad, repeat=False, gap=0):
        from reportlab.platypus import Table

        commands = [
            ("FONTNAME", (0, 0), (-1, -1), PLAIN),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), pad if pad > 2 else 0),
            ("RIGHTPADDING", (0, 0), (-1, -1), gap),
            ("TOPPADDING", (0, 0), (-1, -1), pad),
            ("BOTTOMPADDING", (0, 0), (-1, -1), pad + (1.5 if pad >= 1 else 0)),
        ]
        return Table(rows, widths, style=[*commands, *style], repeatRows=int(repeat), hAlign="LEFT")


def _numbered(footer):
    """Return a canvas that writes the footer and "Page 1 of 2" on every page when their number is known."""
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **{**named, "initialFontName": PLAIN})
            self._pages = []

        def showPage(self):  # reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self):
            for number, page in enumerate(self._pages, 1):
                self.__dict__.update(page)
                _foot(self, footer, number, len(self._pages))
                super().showPage()
            super().save()

    return Numbered


def _foot(canvas, footer, number, count):
    from reportlab.pdfbase.pdfmetrics import stringWidth

    point = 72 / 25.4
    canvas.setFont(PLAIN, TINY)
    canvas.setFillColor(GREY)
    text = footer
    place = f"Page {number} of {count}"
    room = canvas._pagesize[0] - 2 * MARGIN_MM * point - stringWidth(place, PLAIN, TINY) - 8
    while stringWidth(text, PLAIN, TINY) > room:
        text = text[:-2].rstrip() + "…" if not text.endswith("…") else text[:-3].rstrip() + "…"
    canvas.drawString(MARGIN_MM * point, 8 * point, text)
    canvas.drawRightString(canvas._pagesize[0] - MARGIN_MM * point, 8 * point, place)
