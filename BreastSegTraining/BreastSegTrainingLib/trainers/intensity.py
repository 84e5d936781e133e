"""Augmentation of grey values only (M5). Values are relative to the image: 0 is its least, 1 its largest."""

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import ImageOnlyTransform
from torch.nn import functional


class _Relative(ImageOnlyTransform):
    """A change of an image (channels, y, x) that was brought to 0 … 1, each channel by itself."""

    def _apply_to_image(self, img, **params):
        least, largest = img.amin((-2, -1), keepdim=True), img.amax((-2, -1), keepdim=True)
        span = largest - least
        if not bool((span > 0).any()):
            return img
        return self.changed((img - least) / span.clamp_min(1e-12)) * span + least

    def changed(self, image):
        """Return the changed image; the argument may be overwritten."""
        raise NotImplementedError


class Gamma(_Relative):
    """The power of a number between two."""

    def __init__(self, least, most):
        super().__init__()
        self.least, self.most = least, most

    def changed(self, image):
        return image.clamp_(0, 1) ** np.random.uniform(self.least, self.most)


class Linear(_Relative):
    """Adds up to ± ``brightness``, or multiplies the distance from the mean by a number within ``contrast``."""

    def __init__(self, brightness=0.0, contrast=(1.0, 1.0)):
        super().__init__()
        self.brightness, self.contrast = brightness, contrast

    def changed(self, image):
        mean = image.mean((-2, -1), keepdim=True)
        offset = np.random.uniform(-self.brightness, self.brightness)
        return (image - mean) * np.random.uniform(*self.contrast) + mean + offset


class CutOut(_Relative):
    """Blackens a rectangle, each side ``share`` of the image's; the mask stays."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def changed(self, image):
        sides = [max(1, round(length * self.share)) for length in image.shape[-2:]]
        y, x = (np.random.randint(length - side + 1) for length, side in zip(image.shape[-2:], sides))
        image[..., y : y + sides[0], x : x + sides[1]] = 0
        return image


class SaltAndPepper(_Relative):
    """Makes up to ``share`` of the pixels white or black."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def changed(self, image):
        drawn = torch.from_numpy(np.random.uniform(size=tuple(image.shape[-2:])))
        share = np.random.uniform(0, self.share)
        image[..., drawn < share / 2] = 0
        image[..., drawn > 1 - share / 2] = 1
        return image


class Noise(_Relative):
    """Adds Gaussian noise with a standard deviation of up to ``most``."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def changed(self, image):
        noise = np.random.normal(0, np.random.uniform(0, self.most), tuple(image.shape))
        return image + torch.from_numpy(noise.astype(np.float32))


class Blur(_Relative):
    """Smooths with a Gaussian whose sigma (pixels) is drawn between two numbers, or with a median of a square."""

    def __init__(self, gaussian=None, median=None):
        super().__init__()
        self.gaussian, self.median = gaussian, median

    def changed(self, image):
        return self._median(image) if self.median else self._gaussian(image, np.random.uniform(*self.gaussian))

    @staticmethod
    def _gaussian(image, sigma):
        reach = min(int(3 * sigma + 0.5), min(image.shape[-2:]) - 1)
        kernel = torch.exp(-(torch.arange(-reach, reach + 1, dtype=image.dtype) ** 2) / (2 * sigma**2))
        kernel = kernel / kernel.sum()
        padded = functional.pad(image[:, None], (reach,) * 4, mode="reflect")
        rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1))
        return functional.conv2d(rows, kernel.view(1, 1, 1, -1))[:, 0]

    def _median(self, image):
        reach = self.median // 2
        padded = functional.pad(image[:, None], (reach,) * 4, mode="reflect")
        windows = padded[:, 0].unfold(-2, self.median, 1).unfold(-2, self.median, 1)
        return windows.flatten(-2).median(-1).values
