"""Tiles through the networks of all folds, plain and mirrored (worker side)."""

from contextlib import nullcontext

SEES_SOMETHING = 0.05  # a chance of a lesion that is worth a second look


class Passes:
    """How a batch of tiles goes through the networks.

    Parameters
    ----------
    networks : Networks
    flips : list of tuple of int
        The spatial axes of each mirroring.
    sparing : bool
        Mirror only the tiles in which some fold sees something.
    apart : bool
        Keep the folds apart instead of averaging them.
    report : callable
        ``report(count)`` with the number of passes that are done or left out; may raise `Cancelled`.
    """

    def __init__(self, networks, flips, sparing, apart, report):
        self._networks, self._flips, self._sparing = networks, flips, sparing
        self._apart, self._report = apart, report
        self.computed = 0

    @property
    def of_a_tile(self):
        """int: passes that one tile takes."""
        return len(self._networks.folds) * (1 + len(self._flips))

    def __call__(self, patches, inside, batch):
        """Return the logits of some tiles.

        Parameters
        ----------
        patches : torch.Tensor
            (b, c, *tile), float32, on the networks' device.
        inside : list of torch.Tensor, or None
            Of each patch where a lesion counts (bool, *tile); None: everywhere.
        batch : int
            Mirrorings that go through a network at once.

        Returns
        -------
        torch.Tensor
            (f, b, h, *tile), float32: f folds or their mean; h as `logits_of` gives it; the mean over mirrorings.
        """
        import torch

        networks, outputs = self._networks.folds, []
        for network in networks:
            outputs.append(logits_of(network, patches))
            self._count(len(patches), len(patches))
        if self._flips:
            wanted = self._promising(outputs, inside)
            for network, output in zip(networks, outputs):
                self._add_mirrored(network, patches, output, wanted, batch)
                self._count(0, (len(patches) - len(wanted)) * len(self._flips))
        if self._apart:
            return torch.stack(outputs)
        mean = outputs[0]
        for output in outputs[1:]:
            mean += output
        return (mean / len(outputs) if len(outputs) > 1 else mean)[None]

    def _add_mirrored(self, network, patches, output, wanted, batch):
        """Average an output (b, h, *tile) of the wanted patches with those of their mirrored images, in place."""
        import torch

        jobs = [(place, [axis + 1 for axis in axes]) for place in wanted for axes in self._flips]
        for start in range(0, len(jobs), batch):
            some = jobs[start : start + batch]
            mirrored = torch.stack([patches[place].flip(axes) for place, axes in some])
            for (place, axes), found in zip(some, logits_of(network, mirrored)):
                output[place] += found.flip(axes)
            self._count(len(some), len(some))
        for place in wanted:
            output[place] /= len(self._flips) + 1

    def _promising(self, outputs, inside):
        """Return the places of the patches in which some fold sees something."""
        count = len(outputs[0])
        if not self._sparing:
            return range(count)
        places = [None] * count if inside is None else inside
        return [p for p in range(count) if any(sees_something(output[p], places[p]) for output in outputs)]

    def _count(self, computed, over):
        self.computed += computed
        self._report(over)


def logits_of(network, patches):
    """Return a network's outputs (b, h, *tile) as float32; lesion minus background (h = 1) where it knows one label.

    The softmax of two outputs depends on their difference only, so half the memory is enough.
    """
    import torch

    # Half precision as nnU-Net uses it on GPUs; on processors it is slower, or not there.
    with torch.autocast("cuda") if patches.device.type == "cuda" else nullcontext():
        outputs = network(patches)
    outputs = outputs.float()
    return outputs[:, 1:] - outputs[:, :1] if outputs.shape[1] == 2 else outputs


def lesion_chance(logits):
    """Return the chance of any lesion for logits (h, …) as `logits_of` gives them."""
    import torch

    return torch.sigmoid(logits[0]) if len(logits) == 1 else 1 - torch.softmax(logits, 0)[0]


def label_chances(logits):
    """Return the chance of each label but the background for logits (h, …): (labels, …)."""
    import torch

    return torch.sigmoid(logits) if len(logits) == 1 else torch.softmax(logits, 0)[1:]


def sees_something(logits, inside=None):
    """Return whether logits (h, *tile) give a lesion a chance worth a second look, where it counts."""
    chance = lesion_chance(logits)
    return bool(((chance if inside is None else chance[inside]) > SEES_SOMETHING).any())
