"""Losses against the library's and against plain formulas, and augmentation that moves image and mask together."""

import numpy as np
import pytest
import torch
from BreastSegTrainingLib.trainers import augmentation, geometry, intensity, losses
from BreastSegTrainingLib.trainers.failures import SettingsWrong
from torch.nn import functional

SIZE = (2, 1, 12, 10)


def example(seed=0, empty=False):
    """Return outputs of two heads (batch, 2, y, x), labels (batch, 1, y, x), and the softmax chance of the lesion."""
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn((SIZE[0], 2, *SIZE[2:]), generator=generator) * 2
    target = torch.zeros(SIZE, dtype=torch.int16) if empty else torch.randint(0, 2, SIZE, generator=generator)
    return output, target, output.softmax(1)[:, 1]


def value(kind, output, target, **numbers):
    return losses.loss_of({"kind": kind, **numbers})(output, target).item()


@pytest.mark.parametrize("seed", range(3))
def test_dice_jaccard_and_tversky_are_those_of_the_library(seed):
    from segmentation_models_pytorch import losses as library

    output, target, _ = example(seed)
    logit, truth = output[:, 1:] - output[:, :1], target.long()
    dice = library.DiceLoss("binary", smooth=0.5)(logit, truth).item()  # it counts half of our numbers
    assert value("dice", output, target) == pytest.approx(dice, abs=1e-6)
    jaccard = library.JaccardLoss("binary", smooth=1.0)(logit, truth).item()
    cross = functional.binary_cross_entropy_with_logits(logit, truth.float()).item()
    assert value("bce_jaccard", output, target) == pytest.approx(cross + jaccard, abs=1e-6)
    for alpha, beta, gamma in [(0.5, 0.5, 1.0), (0.7, 0.3, 1.4)]:
        other = library.TverskyLoss("binary", smooth=1.0, alpha=alpha, beta=beta, gamma=gamma)(logit, truth).item()
        ours = value("focal_tversky", output, target, alpha=alpha, beta=beta, gamma=gamma)
        assert ours == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize("empty", [False, True])
def test_focal_tversky_and_weighted_dice_are_their_formulas(empty):
    output, target, chance = example(4, empty)
    p, t = chance.double().numpy().ravel(), target.numpy().ravel().astype(float)
    tp, fp, fn = (p * t).sum(), (p * (1 - t)).sum(), ((1 - p) * t).sum()
    for alpha, beta, gamma in [(0.5, 0.5, 1.0), (0.7, 0.3, 1.4)]:
        formula = (1 - (tp + 1) / (tp + alpha * fp + beta * fn + 1)) ** gamma
        assert value("focal_tversky", output, target, alpha=alpha, beta=beta, gamma=gamma) == pytest.approx(formula)
    lesion = (2 * tp + 1) / (2 * tp + fp + fn + 1)
    tn = ((1 - p) * (1 - t)).sum()
    background = (2 * tn + 1) / (2 * tn + fp + fn + 1)
    cross = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    formula = 0.3 * cross + 0.7 * (1 - (2 * lesion + background) / 3)
    assert value("bce_weighted_dice", output, target, bce=0.3, dice=0.7, lesion=2.0) == pytest.approx(
        formula, rel=1e-5
    )


ALL = [
    {"kind": "dice"},
    {"kind": "bce_jaccard"},
    {"kind": "bce_weighted_dice", "bce": 0.3, "dice": 0.7, "lesion": 2.0},
    {"kind": "focal_tversky", "alpha": 0.5, "beta": 0.5, "gamma": 1.0},
    {"kind": "focal_tversky", "alpha": 0.7, "beta": 0.3, "gamma": 1.4},
]


@pytest.mark.parametrize("settings", ALL, ids=lambda row: row["kind"])
def test_every_loss_falls_where_the_output_comes_closer_and_has_slopes_everywhere(settings):
    _, target, _ = example(1)
    sign = (2 * target.float() - 1) * torch.tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    loss = losses.loss_of(settings)
    values = [loss(sign * strength, target).item() for strength in (-3, -1, 0, 1, 3, 30)]
    assert values == sorted(values, reverse=True) and values[-1] < 0.02
    for strength in (-30.0, 0.0, 30.0):  # right or wrong beyond doubt: still no NaN
        output = (sign * strength).requires_grad_()
        loss(output, target).backward()
        assert torch.isfinite(output.grad).all()


def test_half_precision_does_not_overflow():
    output = torch.zeros((1, 2, 512, 512), dtype=torch.float16)
    target = torch.ones((1, 1, 512, 512), dtype=torch.int16)
    for settings in ALL:
        assert torch.isfinite(losses.loss_of(settings)(output, target))


# --- augmentation


def picture(height=48, width=48):
    """Return an image whose bright parts are its mask: (1, y, x) each, not symmetric in any way."""
    mask = torch.zeros((1, height, width), dtype=torch.int16)
    mask[0, 8:22, 10:16] = 1
    mask[0, 18:22, 10:30] = 1
    return mask.float() * 4 - 1, mask


@pytest.mark.parametrize("name", ["m4", "m5"])
def test_image_and_mask_move_together(name):
    np.random.seed(0)
    torch.manual_seed(0)
    steps = {"m4": augmentation.m4, "m5": augmentation.m5}[name]((48, 48))
    moves = [one for one in steps if not hasattr(one, "transform")]
    changed = 0
    for _ in range(30):
        image, mask = picture()
        data = {"image": image, "segmentation": mask}
        for step in moves:
            data = step(**data)
        assert data["image"].shape == image.shape and data["segmentation"].dtype == mask.dtype
        bright, truth = data["image"][0] > 1, data["segmentation"][0] == 1
        overlap = 2 * (bright & truth).sum() / max(1, (bright.sum() + truth.sum()).item())
        assert overlap > 0.85 or truth.sum() + bright.sum() < 20
        changed += not torch.equal(mask, data["segmentation"])
    assert changed > 20


def test_quarter_turns_are_all_four_and_keep_the_shape_of_a_patch_that_is_not_square():
    np.random.seed(1)
    image, mask = picture()
    seen = {
        tuple(geometry.QuarterTurns()(image=image, segmentation=mask)["image"].flatten().tolist()) for _ in range(40)
    }
    assert seen == {tuple(torch.rot90(image, turns, (1, 2)).flatten().tolist()) for turns in range(4)}
    image, mask = picture(48, 36)
    assert all(geometry.QuarterTurns()(image=image, segmentation=mask)["image"].shape == image.shape for _ in range(9))


def moved(**values):
    """Return an `AffineMove` that always does what is named and nothing else."""
    rest = {"crop": 1.0, "degrees": 0, "scaling": (1, 1), "shear": 0, "shift": 0}
    return geometry.AffineMove(1.0, **{**rest, **values})


def test_a_shift_moves_by_pixels(monkeypatch):
    monkeypatch.setattr(np.random, "uniform", lambda low=0, high=1, size=None: np.full(size or (), high)[()])
    image, mask = picture(64, 48)
    monkeypatch.setattr(geometry.AffineMove, "_drawn", lambda self: True)
    data = moved(shift=5)(image=image, segmentation=mask)
    # Result pixel (y, x) shows image pixel (y + 5, x + 5); what comes from outside is the darkest value.
    assert torch.equal(data["segmentation"][:, :-5, :-5], mask[:, 5:, 5:])
    assert torch.allclose(data["image"][:, :-5, :-5], image[:, 5:, 5:], atol=1e-4)
    assert (data["image"][:, -5:] == image.min()).all() and (data["segmentation"][:, -5:] == 0).all()


def test_rotation_scaling_and_shear_are_what_scipy_does(monkeypatch):
    from scipy import ndimage

    monkeypatch.setattr(geometry.AffineMove, "_drawn", lambda self: True)
    monkeypatch.setattr(np.random, "uniform", lambda low=0, high=1, size=None: np.full(size or (), high)[()])
    image, mask = picture(64, 48)
    move = moved(degrees=20, scaling=(1, 1.2), shear=0.3)
    matrix = move.get_parameters(image=image)["matrix"]
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert matrix[:2, :2] == pytest.approx(turn @ np.eye(2) / 1.2 @ [[1, 0.3], [0, 1]])
    ours = move(image=image, segmentation=mask)
    way = matrix[:2, :2][::-1, ::-1]  # SciPy counts y first
    centre = (np.array([64, 48]) - 1) / 2
    theirs = ndimage.affine_transform(image[0].numpy(), way, centre - way @ centre, order=1, cval=-1.0)
    assert ours["image"][0, 4:-4, 4:-4].numpy() == pytest.approx(theirs[4:-4, 4:-4], abs=1e-3)


def test_crop_is_brought_back_to_the_size_of_the_patch():
    np.random.seed(6)
    move = geometry.AffineMove(0.0, 0.5, 0, (1, 1), 0, 0)
    draws = iter([True, False, False, False, False] * 20)
    move._drawn = lambda: next(draws)
    matrices = [move.get_parameters(image=torch.zeros(1, 64, 32))["matrix"] for _ in range(20)]
    for matrix in matrices:
        corners = matrix @ np.array([[-16, 16], [-32, 32], [1, 1]])
        assert (np.abs(corners[:2]) <= [[16], [32]]).all()  # the part lies within the image
        assert corners[:2, 1] - corners[:2, 0] == pytest.approx([16, 32])  # and has half its sides
    assert len({matrix[0, 2] for matrix in matrices}) == 20
    _, mask = picture(64, 64)
    part = move._apply_to_segmentation(mask, matrix=np.diag([0.5, 0.5, 1]))
    assert torch.equal(part[0, ::2, ::2], mask[0, 16:48, 16:48]) and part.shape == mask.shape


def test_grey_values_change_within_their_limits_and_the_mask_does_not():
    np.random.seed(3)
    torch.manual_seed(3)
    image, mask = picture()
    image = image + torch.rand(image.shape)
    for step in augmentation.m5((48, 48))[2:]:
        before = image.clone()
        data = step.transform(image=image.clone(), segmentation=mask)
        assert torch.equal(data["segmentation"], mask) and torch.equal(image, before)
        assert data["image"].shape == image.shape and torch.isfinite(data["image"]).all()
        assert not torch.equal(data["image"], image), step
        constant = step.transform(image=torch.full((1, 8, 8), 3.0))["image"]
        assert torch.equal(constant, torch.full((1, 8, 8), 3.0))


def test_grey_value_steps_are_what_they_say():
    from scipy import ndimage

    np.random.seed(4)
    image = torch.rand((1, 40, 30)) * 7 - 2
    unit = (image - image.min()) / (image.max() - image.min())
    back = lambda array: array * (image.max() - image.min()) + image.min()  # noqa: E731
    assert torch.allclose(intensity.Gamma(1.8, 1.8)(image=image.clone())["image"], back(unit**1.8), atol=1e-5)
    median = torch.from_numpy(ndimage.median_filter(image[0].numpy(), 3, mode="mirror"))
    assert torch.allclose(intensity.Blur(median=3)(image=image.clone())["image"][0], median, atol=1e-5)
    smooth = torch.from_numpy(ndimage.gaussian_filter(image[0].numpy(), 1.0, mode="mirror", truncate=3.0))
    assert torch.allclose(intensity.Blur(gaussian=(1.0, 1.0))(image=image.clone())["image"][0], smooth, atol=1e-4)
    cut = intensity.CutOut(0.1)(image=torch.ones((1, 40, 30)) + torch.eye(40)[:, :30])["image"]
    assert ((cut == 1).sum() - (torch.ones(40, 30) - torch.eye(40)[:, :30] == 1).sum()).abs() <= 12
    pepper = intensity.SaltAndPepper(0.5)(image=image.clone())["image"]
    others = pepper[(pepper - image).abs() > 1e-4]
    ends = torch.stack([image.min(), image.max()])
    assert len(others) > 50 and (others[:, None] - ends).abs().amin(1).max() < 1e-4
    assert all(((others - end).abs() < 1e-4).any() for end in ends)
    contrast = intensity.Linear(contrast=(0.5, 0.5))(image=image.clone())["image"]
    assert contrast.mean() == pytest.approx(image.mean().item(), abs=1e-5)
    assert contrast.std() == pytest.approx(image.std().item() / 2, rel=1e-4)


def test_what_prepares_the_labels_stays_behind_another_augmentation():
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    theirs = nnUNetTrainer.get_training_transforms(
        (32, 32), (-0.3, 0.3), [[1, 1], [0.5, 0.5]], (0, 1), False, use_mask_for_norm=[True], foreground_labels=[1]
    )
    names = [type(one).__name__ for one in augmentation.changed(theirs, "none", (32, 32)).transforms]
    assert [names[0], names[2:]] == ["MaskImageTransform", ["DownsampleSegForDSTransform"]]
    assert names[1].startswith("RemoveLabel")
    elastic = augmentation.changed(theirs, "m1", (32, 32)).transforms
    assert elastic[0].p_elastic_deform == 0.2 and len(elastic) == len(theirs.transforms)
    with pytest.raises(SettingsWrong, match="is for 2d"):
        augmentation.changed(theirs, "m5", (8, 32, 32))


def test_elastic_deformation_moves_image_and_mask_together():
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform

    torch.manual_seed(2)
    np.random.seed(2)
    spatial = SpatialTransform((48, 48), 0, False)
    augmentation._deform(spatial)
    spatial.p_elastic_deform = 1.0
    for _ in range(5):
        image, mask = picture()
        data = spatial(image=image.clone(), segmentation=mask.clone())
        bright, truth = data["image"][0] > 1, data["segmentation"][0] == 1
        assert not torch.equal(data["segmentation"], mask)
        assert 2 * (bright & truth).sum() / (bright.sum() + truth.sum()) > 0.85
