"""View marks burned into mammograms: read or left alone, never read wrongly."""

import mammogram_cases as cases
import numpy as np
import pytest
from BreastSegLib.exam.mammograms import describe_views, read_views
from BreastSegLib.exam.mammograms.breast import background_is_bright, chest_wall, outline
from BreastSegLib.exam.mammograms.letters import WANTED, likeness
from BreastSegLib.exam.mammograms.marks import read_mark
from BreastSegLib.samples.mammogram import make_mammogram
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

SIDES = [(side, view) for side in "LR" for view in ("CC", "MLO")]


def drawn(text, laterality="L", view="CC", size=40, stroke=0, noise=0.01, turn=0, mirror=False, brightness=0.9):
    """Return an unmarked mammogram with `text` beside the breast (0 to 1)."""
    sample = made(laterality, view)
    picture = Image.new("L", sample.image.shape[::-1])
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    width = draw.textlength(text.split("\n")[0], font)
    column = 50 if laterality == "R" else picture.width - 60 - width
    draw.text((column, 60), text, 255, font, stroke_width=stroke)
    mark = ndimage.gaussian_filter(np.asarray(picture, np.float32) / 255, 0.6) * brightness
    image = np.maximum(sample.display.astype(np.float32) / sample.largest, mark)
    image = image + np.random.default_rng(1).normal(0, noise, image.shape)
    image = np.rot90(image[:, ::-1] if mirror else image, turn)
    return np.rint(np.clip(image, 0, 1) * 4094).astype(np.uint16)


def made(laterality, view, seed=3, markers=False, size=(832, 640)):
    return make_mammogram(seed, laterality, view, size=size, markers=markers, padding="none", mass=False)


def read(image):
    image = np.asarray(image, np.float32)
    mark = read_mark(image, outline(image))
    return (mark.laterality, mark.position) if mark else None


@pytest.mark.parametrize("laterality, view", SIDES)
def test_marks_of_the_samples_are_read(laterality, view):
    for seed in (3, 4):
        assert read(made(laterality, view, seed, markers=True).display) == (laterality, view)


@pytest.mark.parametrize("laterality, view", SIDES)
def test_images_without_marks_say_nothing(laterality, view):
    for seed in (3, 4):
        assert read(made(laterality, view, seed).display) is None


@pytest.mark.parametrize("options", [{"size": 30}, {"size": 55}, {"stroke": 1}, {"noise": 0.03}, {"brightness": 0.55}])
@pytest.mark.parametrize("text, expected", [("R CC", ("R", "CC")), ("LMLO", ("L", "MLO")), ("R MLO", ("R", "MLO"))])
def test_marks_of_another_font_size_and_noise_are_read(text, expected, options):
    assert read(drawn(text, expected[0], expected[1], **options)) == expected


@pytest.mark.parametrize("turn, mirror", [(1, False), (2, False), (3, False), (0, True), (2, True)])
def test_marks_of_turned_and_mirrored_films_are_read(turn, mirror):
    image = np.asarray(drawn("L MLO", "L", "MLO", turn=turn, mirror=mirror), np.float32)
    mark = read_mark(image, outline(image))
    assert (mark.laterality, mark.position, mark.mirrored) == ("L", "MLO", mirror)


def test_a_side_over_a_view_is_read_and_initials_do_not_disturb():
    assert read(drawn("R\nCC", "R")) == ("R", "CC")
    assert read(drawn("L CC JD", "L")) == ("L", "CC")


@pytest.mark.parametrize(
    "text", ["PORT", "22.5", "R", "L", "CC", "LOC", "COL", "RMS", "MILO", "KCC", "12:30", "BCC", "PCC", "ECC", "I CC"]
)
def test_other_letters_beside_the_breast_say_nothing(text):
    assert read(drawn(text, "L")) is None


def test_two_different_marks_cancel_each_other_out():
    image = np.maximum(drawn("R CC", "L", size=40), np.roll(drawn("L CC", "L", size=40), 200, axis=0))
    assert read(image) is None


def test_letters_are_told_apart():
    font = ImageFont.load_default(60)
    for letter in WANTED:
        picture = Image.new("L", (120, 120))
        ImageDraw.Draw(picture).text((20, 20), letter, 255, font)
        array = np.asarray(picture, np.float32) / 255
        patch = array[ndimage.find_objects((array > 0.5).astype(np.uint8))[0]]
        letters, scores = likeness([patch], [patch.shape[1] / patch.shape[0]])
        assert letters == [letter] and scores[0] > 0.9


def test_the_mark_decides_only_where_tags_do_not_and_before_the_file_name(tmp_path):
    sample = made("R", "MLO", markers=True)
    path = cases.write(tmp_path / "L_CC.dcm", sample.image)
    scan, exam = describe_views([path]), read_views([path])
    assert scan.views[0].name == "LCC" and scan.views[0].evidence == "side and view: the file name"
    view = exam.views[0]
    assert view.name == "RMLO" and view.evidence.startswith("side and view: the burned-in mark (likeness 0.9")
    assert "side: " + view.evidence[15:] + " says R, the file name says L" in view.contradictions
    tagged = cases.write(tmp_path / "IM1", sample.image, ImageLaterality="L", ViewPosition="CC")
    assert read_views([tagged]).views[0].evidence == "side: Image Laterality; view: View Position"
    unmarked = cases.write(tmp_path / "IM2", made("R", "MLO").image)
    assert read_views([unmarked]).views[0].name == "view 1"


@pytest.mark.parametrize("laterality, view", SIDES)
@pytest.mark.parametrize("padding", ["none", "border", "air"])
def test_the_breast_and_its_chest_wall_are_found(laterality, view, padding):
    sample = cases.sample(laterality, view, markers=True, padding=padding)
    image = sample.display.astype(np.float32)
    found = outline(image, sample.image == 0)
    truth = sample.breast[:: found.step, :: found.step] > 0
    assert (found.mask & truth).sum() / (found.mask | truth).sum() > 0.8
    assert chest_wall(found) == {"L": "left", "R": "right"}[laterality]
    assert not background_is_bright(found)
    assert background_is_bright(outline(4095 - sample.display.astype(np.float32)))
