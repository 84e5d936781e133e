"""Grey pictures with outlines, letters and a scale bar (Pillow; letters are plain ASCII, all that its font has)."""

import io

import numpy as np
from scipy import ndimage

OUTLINE = (255, 221, 0)  # bright on tissue, and bright in grey print
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
LINE, HALO = 1.3, 2.6  # half widths of an outline and of the dark line behind it, pixels
BARS_MM = (2, 5, 10, 20, 50, 100)
QUALITY = 90


def font(size):
    """Return a font of `size` pixels."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def grey_picture(plane, spacing, height, low, high, curve=None, widest=2.6):
    """Return a grey picture with true proportions.

    Parameters
    ----------
    plane : numpy.ndarray
        (rows, columns).
    spacing : tuple of float
        mm between columns and rows.
    height : int
        Pixels.
    low, high : float
        Values shown black and white.
    curve : sequence of float, optional
        Grey (0 to 1) over the values between; a straight line when not given.
    widest : float
        The picture is at most this many times as wide as high; beyond it is made lower.

    Returns
    -------
    PIL.Image.Image
        RGB.
    """
    from PIL import Image

    share = np.clip((np.asarray(plane, np.float32) - low) / max(high - low, 1e-6), 0, 1)
    if curve is not None:
        share = np.interp(share, np.linspace(0, 1, len(curve)), curve)
    aspect = plane.shape[1] * spacing[0] / (plane.shape[0] * spacing[1])
    size = picture_size(aspect, height, widest)
    grey = Image.fromarray(np.round(share * 255).astype(np.uint8))
    return grey.resize(size, Image.BICUBIC).convert("RGB")


def picture_size(aspect, height, widest):
    """Return (width, height) in pixels of a picture of an aspect (width over height)."""
    width = min(round(height * aspect), round(height * widest))
    return max(width, 8), max(8, round(width / aspect) if aspect > widest else height)


def draw_outline(image, mask, color=OUTLINE):
    """Return the picture with the outline of a mask, drawn just outside it so that its edge stays to be seen.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB.
    mask : numpy.ndarray
        bool (rows, columns) of the same piece as the picture.
    color : tuple of int
    """
    from PIL import Image

    if not mask.any():
        return image
    large = Image.fromarray(mask.astype(np.uint8) * 255).resize(image.size, Image.BILINEAR)
    inside = np.asarray(large) > 127
    if not inside.any():  # smaller than one pixel of the picture
        inside = np.asarray(Image.fromarray(mask.astype(np.uint8)).resize(image.size, Image.NEAREST)) > 0
    box = ndimage.find_objects(inside.view(np.uint8))
    if not box:
        return image
    reach = int(np.ceil(HALO + LINE)) + 2
    part = tuple(
        slice(max(0, edge.start - reach), min(count, edge.stop + reach)) for edge, count in zip(box[0], inside.shape)
    )
    outside = ndimage.distance_transform_edt(~inside[part]) - 0.5 if not inside[part].all() else np.zeros(1)
    outside = np.broadcast_to(outside, inside[part].shape)
    picture = np.array(image, np.float32)
    for half, tone in ((HALO, BLACK), (LINE, color)):
        share = np.clip(half + 0.5 - np.abs(outside - LINE), 0, 1) * (~inside[part])
        share = (share * (0.6 if tone is BLACK else 1.0))[..., None]
        picture[part] += share * (np.asarray(tone, np.float32) - picture[part])
    return Image.fromarray(np.round(picture).astype(np.uint8))


def write_text(image, place, text, size, anchor="mm", color=WHITE, halo=BLACK):
    """Write a text with a halo into the picture, in place; `place` is that of the anchor (Pillow's letters)."""
    from PIL import ImageDraw

    plain = text.encode("ascii", "replace").decode("ascii")
    ImageDraw.Draw(image).text(
        place, plain, fill=color, font=font(size), anchor=anchor, stroke_width=max(1, size // 10), stroke_fill=halo
    )


def draw_letters(image, letters, size):
    """Write the patient's directions at the right, bottom, left and top edge, in place."""
    width, height = image.size
    edge = size * 0.35
    places = ((width - edge, height / 2, "rm"), (width / 2, height - edge, "mb"), (edge, height / 2, "lm"))
    for (x, y, anchor), text in zip((*places, (width / 2, edge, "mt")), letters):
        write_text(image, (x, y), text, size, anchor)


def draw_scale_bar(image, width_mm, size):
    """Draw a scale bar of a round length at the bottom right, in place, and return its length in mm."""
    from PIL import ImageDraw

    width, height = image.size
    length = max((bar for bar in BARS_MM if bar <= width_mm / 4), default=BARS_MM[0])
    pixels = length * width / width_mm
    right, bottom = width - size * 0.6, height - size * 0.7
    thick = max(2, size // 7)
    draw = ImageDraw.Draw(image)
    draw.rectangle((right - pixels - 2, bottom - thick - 2, right + 2, bottom + 2), fill=BLACK)
    draw.rectangle((right - pixels, bottom - thick, right, bottom), fill=WHITE)
    write_text(image, (right - pixels / 2, bottom - thick - size * 0.25), f"{length} mm", size, "mb")
    return length


def draw_calipers(image, ends, size, diagonal=False):
    """Draw a small cross at each end of a diameter, in place; `ends` are (x, y) in pixels."""
    from PIL import ImageDraw

    draw, reach = ImageDraw.Draw(image), size * 0.3
    turned = 0.71 * reach
    strokes = ((turned, turned), (turned, -turned)) if diagonal else ((reach, 0), (0, reach))
    for x, y in ends:
        for width, tone in ((5, BLACK), (2, WHITE)):
            for dx, dy in strokes:
                draw.line((x - dx, y - dy, x + dx, y + dy), fill=tone, width=width)


def as_jpeg(image):
    """Return the bytes of a picture as JPEG, without any metadata."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return stream.getvalue()


def as_png(image):
    """Return the bytes of a picture as PNG, without any metadata."""
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()
