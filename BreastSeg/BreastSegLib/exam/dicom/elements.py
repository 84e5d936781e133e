"""The few elements of a DICOM file that say what an image is, as text, and where its pixels begin.

Scanning an exam means reading thousands of headers. A general parser makes an object of every element; here the
elements are stepped over by their lengths, only those asked for are kept, and no pixel is read. What is not plain
(no preamble, deflated, damaged lengths) is left to pydicom.
"""

import gzip
import io
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache

DIRECTORY = "1.2.840.10008.1.3.10"
IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
WINDOW = 8192  # bytes read at a time; most headers fit into one window
LONGEST_VALUE = 4096  # a longer value of a tag asked for is damage
LONG_VR = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
SHORT_VR = {
    *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
    *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
}
# Bytes before the value of an element, by its VR; None stands for implicit VR.
HEADS = {None: 8} | dict.fromkeys(SHORT_VR, 8) | dict.fromkeys(LONG_VR, 12)
NUMBER_VR = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
NUMBER_VR |= {kind.encode(): form for kind, form in NUMBER_VR.items()}
READERS = {order: tuple(struct.Struct(order + form).unpack_from for form in ("HH2sH", "HHI", "I")) for order in "<>"}
META = {0x00020002: ("media", "UI"), 0x00020010: ("syntax", "UI")}
PIXELS = 0x7FE00010
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
GZIP = b"\x1f\x8b"


class NotPlain(Exception):
    """The file is not laid out in the usual way; another parser has to look at it."""


@dataclass(frozen=True)
class Elements:
    """What was read of one file.

    Parameters
    ----------
    texts : dict of str to str
        Keyword (or ``ggggeeee`` for private tags) to value; several values are separated by backslashes, as in DICOM.
    syntax : str
        Transfer syntax UID.
    offset : int or None
        Where the pixel bytes begin in the file; None when they are compressed, packed or missing.
    length : int
        Their number.
    media : str
        Class of the file by its meta header.
    """

    texts: dict
    syntax: str
    offset: int | None = None
    length: int = 0
    media: str = ""

    @property
    def big(self):
        """bool: whether the bytes are big endian."""
        return self.syntax == BIG

    @property
    def directory(self):
        """bool: whether the file is a DICOMDIR."""
        return self.media == DIRECTORY


@lru_cache(maxsize=8)
def wanted_tags(keywords):
    """Return {tag number: (name, VR)} for DICOM keywords and private tags written ``ggggeeee:VR``."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    tags = {}
    for keyword in keywords:
        if ":" in keyword:
            number, kind = keyword.split(":")
            tags[int(number, 16)] = (number, kind)
        else:
            tag = tag_for_keyword(keyword)
            tags[tag] = (keyword, dictionary_VR(tag))
    return tags


def read_elements(path, keywords):
    """Read the wanted elements of a DICOM file.

    Parameters
    ----------
    path : str
    keywords : tuple of str
        See `wanted_tags`.

    Returns
    -------
    Elements or None
        None when the file is not DICOM.

    Raises
    ------
    OSError
        If the file cannot be read.
    Exception
        Whatever a parser raises on damaged bytes.
    """
    with open(path, "rb", buffering=0) as stream:
        start = stream.read(WINDOW)
        packed = start[:2] == GZIP
        if packed:
            start = _unpacked_start(start)
        if not looks_like_dicom(start):
            return None
        try:
            if packed:
                raise NotPlain
            return _walk(_Window(stream, start), wanted_tags(keywords))
        except (NotPlain, struct.error, UnicodeDecodeError):
            pass
    return _with_pydicom(path, keywords)


def looks_like_dicom(start):
    """bool: whether the first bytes of a file are those of a DICOM file, with or without preamble."""
    if start[128:132] == b"DICM":
        return True
    # Files without preamble begin with a tag of group 2 or 8, mostly little endian.
    return start[:2] in (b"\x02\x00", b"\x08\x00") and len(start) >= 132


def file_looks_like_dicom(path):
    """bool: whether a file is DICOM, packed with gzip or not, by its first bytes; False when it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as stream:
            start = stream.read(512)
    except OSError:
        return False
    return looks_like_dicom(_unpacked_start(start) if start[:2] == GZIP else start)


def open_unpacked(path):
    """Open a file for reading; one packed with gzip is unpacked into memory."""
    stream = open(path, "rb")  # noqa: SIM115 - handed to the caller
    if stream.read(2) == GZIP:
        with stream:
            stream.seek(0)
            return io.BytesIO(gzip.decompress(stream.read()))
    stream.seek(0)
    return stream


def _unpacked_start(start):
    try:
        return zlib.decompressobj(31).decompress(start, 512)
    except zlib.error:
        return b""


class _Window:
    """A part of the file in memory, moved along as the walk needs it."""

    def __init__(self, stream, start):
        self.stream, self.data, self.base = stream, start, 0

    def at(self, position, count):
        """Return (bytes, index into them) so that `count` bytes from file position `position` are there."""
        index = position - self.base
        if index < 0 or index + count > len(self.data):
            self.stream.seek(position)
            self.data, self.base, index = self.stream.read(max(WINDOW, count)), position, 0
            if len(self.data) < count:
                raise NotPlain
        return self.data, index


def _walk(window, wanted):
    if window.data[128:132] != b"DICM":
        raise NotPlain
    texts = {}
    position = _group(window, 132, META, texts, "<", True, 0x00030000)[0]
    syntax, media = texts.pop("syntax", IMPLICIT), texts.pop("media", "")
    if syntax == DEFLATED:
        raise NotPlain
    order = ">" if syntax == BIG else "<"
    position, length = _group(window, position, wanted, texts, order, syntax != IMPLICIT, PIXELS)
    if length is None or length == UNDEFINED:
        return Elements(texts, syntax, media=media)
    return Elements(texts, syntax, position, length, media)


def _group(window, position, wanted, texts, order, explicit, end):
    """Step over elements from `position` to the first tag ≥ `end`, keeping the wanted ones.

    Returns
    -------
    position : int
        Of the element with tag `end` when it is the pixel data: of its value; else of the element itself.
    length : int or None
        Of the pixel data; None when there are none.
    """
    short, long, word = READERS[order]
    data, base, size = window.data, window.base, len(window.data)
    last = -1
    while True:
        index = position - base
        if index < 0 or index + 12 > size:
            try:
                data, index = window.at(position, 12)
            except NotPlain:
                if _at_end(window, position):
                    return position, None
                raise
            base, size = window.base, len(data)
        if explicit:
            group, element, kind, length = short(data, index)
        else:
            group, element, length = long(data, index)
            kind = None
        tag, head = group << 16 | element, HEADS.get(kind)
        if tag >= end and tag != PIXELS:
            # Behind the meta header everything may be encoded in another way.
            return position, None
        if head == 12:
            (length,) = word(data, index + 8)
        elif head is None:
            raise NotPlain
        if tag == PIXELS:
            return position + head, length
        if tag <= last:
            # Tags rise; where they do not, the lengths are wrong.
            raise NotPlain
        last = tag
        if length == UNDEFINED:
            position = _skip_sequence(window, position + head, order, explicit and kind != b"UN")
            data, base, size = window.data, window.base, len(window.data)
            continue
        if tag in wanted:
            if length > LONGEST_VALUE:
                raise NotPlain
            name, usual = wanted[tag]
            index += head
            if index + length > size:
                data, index = window.at(position + head, length)
                base, size = window.base, len(data)
            texts[name] = _text(data[index : index + length], usual if kind in (None, b"UN") else kind, order)
        position += head + length


def _at_end(window, position):
    """bool: whether the file ends exactly here."""
    return window.stream.seek(0, io.SEEK_END) == position


def _text(value, kind, order):
    if kind in NUMBER_VR:
        form = NUMBER_VR[kind]
        count = len(value) // struct.calcsize(form)
        return "\\".join(map(repr, struct.unpack(f"{order}{count}{form}", value)))
    # Only ASCII words and numbers are looked for; other letters need to be comparable, not readable.
    return value.decode("latin-1").strip("\0 ")


def _skip_sequence(window, position, order, explicit):
    """Return the position behind a sequence of undefined length."""
    form = struct.Struct(order + "HHI")
    while True:
        data, index = window.at(position, 8)
        group, element, length = form.unpack_from(data, index)
        tag, position = group << 16 | element, position + 8
        if tag == SEQUENCE_END:
            return position
        if tag != ITEM:
            raise NotPlain
        position = position + length if length != UNDEFINED else _skip_item(window, position, order, explicit)


def _skip_item(window, position, order, explicit):
    """Return the position behind an item of undefined length."""
    short, long = struct.Struct(order + "HH2sH"), struct.Struct(order + "HHI")
    while True:
        data, index = window.at(position, 8)
        group, element, length = long.unpack_from(data, index)
        tag = group << 16 | element
        if tag == ITEM_END:
            return position + 8
        position, kind = position + 8, None
        if explicit:
            *_, kind, length = short.unpack_from(data, index)
            if kind in LONG_VR:
                data, index = window.at(position, 4)
                (length,) = struct.unpack_from(order + "I", data, index)
                position += 4
        if length == UNDEFINED:
            position = _skip_sequence(window, position, order, explicit and kind != b"UN")
        else:
            position += length


def _with_pydicom(path, keywords):
    import pydicom

    with open_unpacked(path) as stream:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
        tags = wanted_tags(keywords)
        texts = {
            name: _raw_text(dataset.get_item(tag), usual) for tag, (name, usual) in tags.items() if tag in dataset
        }
    meta = getattr(dataset, "file_meta", {})
    syntax, media = (str(meta.get(name, "")) for name in ("TransferSyntaxUID", "MediaStorageSOPClassUID"))
    return Elements(texts, syntax or IMPLICIT, media=media)


def _raw_text(element, usual):
    """Return an element's text from its bytes, as the walk does: one patient's name must not read in two ways."""
    if not isinstance(element.value, bytes):
        return "" if element.value is None else str(element.value).strip()
    kind = usual if element.VR in (None, "UN") else element.VR
    return _text(element.value, kind, "<" if getattr(element, "is_little_endian", True) else ">")
