"""Augmentation that moves image and mask together. Random numbers are NumPy's: each process of nnU-Net has its own."""

import math

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from torch.nn.functional import affine_grid, grid_sample


class QuarterTurns(BasicTransform):
    """Turns by 0, 90, 180 or 270 degrees; by 0 or 180 where the patch is not square (M4)."""

    def get_parameters(self, **data):
        square = data["image"].shape[-1] == data["image"].shape[-2]
        return {"turns": int(np.random.randint(4)) if square else 2 * int(np.random.randint(2))}

    def _apply_to_image(self, img, **params):
        return torch.rot90(img, params["turns"], (-2, -1))

    def _apply_to_segmentation(self, segmentation, **params):
        return torch.rot90(segmentation, params["turns"], (-2, -1))


class AffineMove(BasicTransform):
    """Crop, rotation, scaling, shear and shift, each with its probability, in one interpolation (M5).

    The image is sampled linearly and filled with the channel's smallest value; the mask takes its nearest label.

    Parameters
    ----------
    p : float
        Probability of each of the five.
    crop : float
        Side of the random part that is kept and brought back to the patch's size, as a share of the patch.
    degrees : float
        Largest rotation.
    scaling : tuple of float
        Smallest and largest magnification.
    shear : float
        Largest shear, pixels along x for each pixel along y.
    shift : float
        Largest shift along each axis, pixels.
    """

    def __init__(self, p, crop, degrees, scaling, shear, shift):
        super().__init__()
        self.p, self.crop, self.degrees, self.scaling, self.shear, self.shift = p, crop, degrees, scaling, shear, shift

    def get_parameters(self, **data):
        """Return the matrix from the result's pixels to the image's, both counted (x, y) from the centre."""
        height, width = data["image"].shape[-2:]
        matrix = np.eye(3)
        if self._drawn():
            room = (1 - self.crop) / 2
            middle = np.random.uniform(-room, room, 2) * (width, height)
            matrix = matrix @ [[self.crop, 0, middle[0]], [0, self.crop, middle[1]], [0, 0, 1]]
        if self._drawn():
            angle = math.radians(np.random.uniform(-self.degrees, self.degrees))
            sine, cosine = math.sin(angle), math.cos(angle)
            matrix = matrix @ [[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]]
        if self._drawn():
            size = np.random.uniform(*self.scaling)
            matrix = matrix @ np.diag([1 / size, 1 / size, 1])
        if self._drawn():
            matrix = matrix @ [[1, np.random.uniform(-self.shear, self.shear), 0], [0, 1, 0], [0, 0, 1]]
        if self._drawn():
            x, y = np.random.uniform(-self.shift, self.shift, 2)
            matrix = matrix @ [[1, 0, x], [0, 1, y], [0, 0, 1]]
        return {"matrix": matrix}

    def _drawn(self):
        return np.random.uniform() < self.p

    def _apply_to_image(self, img, **params):
        if np.array_equal(params["matrix"], np.eye(3)):
            return img
        least = img.amin((-2, -1), keepdim=True)
        return self._sampled(img - least, params["matrix"], "bilinear") + least

    def _apply_to_segmentation(self, segmentation, **params):
        if np.array_equal(params["matrix"], np.eye(3)):
            return segmentation
        # Outside the image is background, also where the label is -1 inside it.
        return self._sampled(segmentation.float(), params["matrix"], "nearest").to(segmentation.dtype)

    @staticmethod
    def _sampled(array, matrix, mode):
        height, width = array.shape[-2:]
        half = np.array([width / 2, height / 2])
        # affine_grid counts from -1 to 1 over the image's edges.
        linear = matrix[:2, :2] * half[None, :] / half[:, None]
        theta = torch.from_numpy(np.column_stack([linear, matrix[:2, 2] / half])).float()
        grid = affine_grid(theta[None], (1, 1, height, width), align_corners=False)
        return grid_sample(array[None], grid, mode=mode, padding_mode="zeros", align_corners=False)[0]
