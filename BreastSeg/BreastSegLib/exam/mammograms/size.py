"""The pixels of a mammogram, as stored, when they have the size of one."""

from ...errors import BadInput
from ..dicom import decode
from ..dicom.values import integer

LARGEST_SIDE, LARGEST_PIXELS, SMALLEST_SIDE = 20_000, 200_000_000, 32


def stored_values(data, where):
    """Return the stored values of a mammogram, (y, x), and notes; see `decode.stored_values`.

    Raises
    ------
    BadInput
        If the image has not the size of a mammogram, or cannot be decoded.
    """
    check_size(integer(data, "Rows", 0), integer(data, "Columns", 0), where)
    bits = integer(data, "BitsAllocated", 16)
    if bits not in (8, 16):
        raise BadInput(f"The pixels have {bits} bits each", where, "Give a mammogram with 8 or 16 bits")
    return decode.stored_values(data, where)


def check_size(rows, columns, where):
    """Raise `BadInput` when an image is larger or smaller than any mammogram."""
    if min(rows, columns) < SMALLEST_SIDE:
        raise BadInput(
            f"An image of {columns} × {rows} pixels is too small for a mammogram", where, "Give the whole one"
        )
    if max(rows, columns) > LARGEST_SIDE or rows * columns > LARGEST_PIXELS:
        raise BadInput(
            f"An image of {columns} × {rows} pixels is too large for a mammogram", where, "Check the file's header"
        )
