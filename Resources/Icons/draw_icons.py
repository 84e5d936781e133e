#!/usr/bin/env python3
"""Draws the icons of the extension and its modules: python3 Testing/run.py python Resources/Icons/draw_icons.py"""

from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIZE, SCALE = 128, 8
ROOT = Path(__file__).resolve().parents[2]
NIGHT, DUSK = (20, 27, 46), (45, 61, 99)
SKIN, TISSUE = (228, 233, 243), (150, 165, 198)
LESION, HALO = (255, 176, 46), (255, 122, 40)
CURVE = (84, 224, 190)


def bezier(points, steps=48):
    """Return the points of a cubic Bézier path: start, then (control, control, end) over and over, in icon units."""
    result = [points[0]]
    for k in range(0, len(points) - 1, 3):
        p, a, b, q = points[k : k + 4]
        for step in range(1, steps + 1):
            t = step / steps
            weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
            result.append(tuple(sum(w * c[i] for w, c in zip(weights, (p, a, b, q))) for i in (0, 1)))
    return result


def scaled(points):
    """Return points in icon units as pixels of the large drawing."""
    return [(x * SCALE, y * SCALE) for x, y in points]


def stroke(draw, points, width, colour):
    """Draw a line with round joints and ends."""
    points, radius = scaled(points), width * SCALE / 2
    draw.line(points, fill=colour, width=round(width * SCALE), joint="curve")
    for x, y in (points[0], points[-1]):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def shape(points):
    """Return a mask (L image) that is white inside a closed path."""
    mask = Image.new("L", (SIZE * SCALE,) * 2)
    ImageDraw.Draw(mask).polygon(scaled(points), fill=255)
    return mask


def gradient(top, bottom):
    """Return an image that runs from one colour at the top to another at the bottom."""
    column = Image.new("RGB", (1, 256))
    for y in range(256):
        column.putpixel((0, y), tuple(round(a + (b - a) * y / 255) for a, b in zip(top, bottom)))
    return column.resize((SIZE * SCALE,) * 2)


def glow(image, centre, radius, colour, strength, inside):
    """Add a soft light around a point, kept inside a mask."""
    mask = Image.new("L", image.size)
    (x, y), r = (c * SCALE for c in centre), radius * SCALE
    ImageDraw.Draw(mask).ellipse((x - r, y - r, x + r, y + r), fill=strength)
    mask = ImageChops.multiply(mask.filter(ImageFilter.GaussianBlur(r * 0.45)), inside)
    image.paste(Image.new("RGB", image.size, colour), mask=mask)


def breast():
    """Draw the common picture: a breast from the side on a dark tile, its lesion outlined; return it as RGBA."""
    image = gradient(DUSK, NIGHT)
    outline = bezier(
        [(26, -6), (32, 34), (66, 42), (92, 63), (102, 71), (102, 82), (92, 89), (66, 106), (36, 106), (24, 134)]
    )
    inside = shape([*outline, (-4, 134), (-4, -6)])
    body = gradient((86, 104, 148), (62, 78, 118))
    image.paste(body, mask=inside)
    # Gland: a fan of soft ducts that meet at the nipple, kept inside the skin.
    ducts = Image.new("L", image.size)
    pen = ImageDraw.Draw(ducts)
    for x, y, bend in ((34, 44, 6), (32, 58, 4), (31, 71, 0), (32, 84, -4), (37, 95, -6)):
        stroke(pen, bezier([(93, 75), (76, 75 - bend), (56, y + bend), (x, y)]), 5.0, 140)
    ducts = ImageChops.multiply(ducts.filter(ImageFilter.GaussianBlur(SCALE * 1.1)), inside)
    image.paste(Image.new("RGB", image.size, TISSUE), mask=ducts)
    # Lesion: irregular, lit from inside, with the contour a segmentation draws.
    glow(image, (62, 66), 20, HALO, 170, inside)
    draw = ImageDraw.Draw(image)
    stroke(draw, outline, 4.6, SKIN)
    lesion = bezier(
        [
            (51, 64),
            (50, 55),
            (60, 51),
            (66, 54),
            (74, 54),
            (77, 63),
            (73, 69),
            (73, 78),
            (62, 80),
            (57, 76),
            (50, 76),
            (49, 70),
            (51, 64),
        ]
    )
    draw.polygon(scaled(lesion), fill=LESION)
    stroke(draw, lesion, 3.0, (255, 236, 190))
    tile = Image.new("L", image.size)
    ImageDraw.Draw(tile).rounded_rectangle((0, 0, SIZE * SCALE - 1, SIZE * SCALE - 1), radius=24 * SCALE, fill=255)
    image.putalpha(tile)
    return image


def training():
    """Draw the picture of the training module: the same, with a learning curve in the corner."""
    image = breast()
    alpha = image.getchannel("A")
    draw = ImageDraw.Draw(image)
    box = [v for point in scaled([(78, 9), (119, 45)]) for v in point]
    draw.rounded_rectangle(box, radius=8 * SCALE, fill=(*NIGHT, 255), outline=(*TISSUE, 255), width=SCALE)
    stroke(draw, [(85, 15), (85, 38), (113, 38)], 2.4, (*TISSUE, 255))
    stroke(draw, bezier([(89, 34), (93, 23), (98, 20), (112, 17.5)]), 4.0, (*CURVE, 255))
    image.putalpha(alpha)
    return image


def main():
    """Write the three icons."""
    for picture, path in (
        (breast(), ROOT / "Resources" / "BreastSeg.png"),
        (breast(), ROOT / "BreastSeg" / "Resources" / "Icons" / "BreastSeg.png"),
        (training(), ROOT / "BreastSegTraining" / "Resources" / "Icons" / "BreastSegTraining.png"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path, optimize=True)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
