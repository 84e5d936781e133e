"""nnU-Net's sliding window over one prepared case (worker side)."""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from ...errors import BadInput
from .passes import SEES_SOMETHING, Passes, lesion_chance
from .tiles import all_tiles, covering_tiles, mirrorings, touching, weights, widened

NOTHING = 30.0  # logit of the background where no tile was computed
AROUND = 2  # voxels around what was seen that are looked at closely too
AHEAD = 2  # batches that may wait in the GPU's queue, so that progress is honest and a cancel is quick
MOST_AT_ONCE = 8


@dataclass(frozen=True)
class Memory:
    """How memory is used.

    Parameters
    ----------
    on_device : bool
        Sum the tiles where they are computed; else in main memory.
    batch : int
        Tiles, or mirrorings of a tile, that go through the network at once.
    """

    on_device: bool
    batch: int

    def less(self):
        """Return the next plan that needs less of the device's memory, or None."""
        if self.on_device:
            return replace(self, on_device=False)
        return replace(self, batch=self.batch // 2) if self.batch > 1 else None

    @property
    def note(self):
        """str: what the user should know about it; '' for the first plan."""
        if self.on_device:
            return ""
        return "GPU memory was short: the result was summed in main memory, which is slower."


@dataclass
class Work:
    """What there was to do, and what was done: tiles, and passes of a tile through a network."""

    tiles: int
    passes: int
    tiles_done: int = 0
    passes_done: int = 0


class Window:
    """One case on the network's grid.

    Parameters
    ----------
    networks : Networks
    data : torch.Tensor
        (c, z, y, x), float32, on the networks' device.
    breast : numpy.ndarray or None
        bool, (z, y, x): tiles that hold none of it are left out. None: every tile may matter.
    mirror : bool
        Average over mirrorings.
    sparing : bool
        Look closely only where something is seen. First as few tiles as cover the image are computed; then the others
        that hold a voxel with a chance of a lesion above `SEES_SOMETHING`, until there is none left; tiles in which no
        fold sees as much are not mirrored. So where the result is above that chance, it is made of all tiles.
    apart : bool
        Keep the folds apart instead of averaging their logits.
    report : callable
        ``report(done, total)`` in passes; may raise `Cancelled`.

    Attributes
    ----------
    work : Work
    """

    def __init__(self, networks, data, breast, mirror, sparing, apart, report):
        self._networks, self._report = networks, report
        self._apart, self._sparing = apart, sparing
        self._data, self._inner = _padded(data, networks.tile)
        shape = tuple(self._data.shape[1:])
        self._mask = None
        if breast is not None:
            self._mask = np.zeros(shape, bool)
            self._mask[self._inner] = breast
        self._tiles = all_tiles(shape, networks.tile)
        self._flips = mirrorings(networks.mirror_axes) if mirror else []
        self._passes = None
        self.work = Work(len(self._tiles), len(self._tiles) * len(networks.folds) * (1 + len(self._flips)))

    def logits(self, memory):
        """Return the logits.

        Parameters
        ----------
        memory : Memory

        Returns
        -------
        torch.Tensor
            (f, h, z, y, x), float32: f folds, or 1 for their mean; h outputs, or 1 for lesion minus background of a
            network that knows one label. Where no tile was computed there is background.

        Raises
        ------
        BadInput
            If the network gives values that are not numbers.
        """
        count = Counter(self._report, self.work.passes)
        self._networks.pulse = count.repeat
        self._passes = Passes(self._networks, self._flips, self._sparing, self._apart, count.add)
        sums, shares = self._empty_sums(memory)
        self.work.tiles_done = 0
        left = self._tiles if self._mask is None else touching(self._tiles, self._mask)
        count.add((len(self._tiles) - len(left)) * self._passes.of_a_tile)
        todo = self._first_look(left)
        while todo:
            self._add(todo, sums, shares, memory)
            self.work.tiles_done += len(todo)
            chosen = set(map(_key, todo))
            left = [tile for tile in left if _key(tile) not in chosen]
            todo = touching(left, self._seen(sums, shares)) if left else []
        count.add(len(left) * self._passes.of_a_tile)
        self.work.passes_done = self._passes.computed
        self._networks.pulse = None
        return self._finished(sums, shares)

    def _first_look(self, tiles):
        """Return the tiles to begin with: all, or as few as cover the image."""
        if not self._sparing:
            return tiles
        cover = set(map(_key, covering_tiles(self._data.shape[1:], self._networks.tile)))
        return [tile for tile in tiles if _key(tile) in cover]

    def _empty_sums(self, memory):
        """Return what weighted logits (f, h, z, y, x) and weights (z, y, x) are summed in."""
        import torch

        networks, where = self._networks, self._where(memory)
        folds = len(networks.folds) if self._apart else 1
        heads = 1 if networks.heads == 2 else networks.heads
        sums = torch.zeros((folds, heads, *self._data.shape[1:]), dtype=torch.float32, device=where)
        return sums, torch.zeros(self._data.shape[1:], dtype=torch.float32, device=where)

    def _where(self, memory):
        import torch

        return self._networks.device if memory.on_device else torch.device("cpu")

    def _add(self, tiles, sums, shares, memory):
        """Compute tiles and add their weighted logits."""
        import torch

        device, where = self._networks.device, self._where(memory)
        data = self._data.to(where)
        weight = torch.from_numpy(weights(self._networks.tile)).to(device)
        share = weight.to(where)
        queue = deque()
        for start in range(0, len(tiles), memory.batch):
            group = tiles[start : start + memory.batch]
            patches = torch.stack([data[(slice(None), *tile)] for tile in group]).to(device)
            inside = [self._mask_of(tile) for tile in group] if self._asks_inside else None
            outputs = self._passes(patches, inside, memory.batch)
            for place, tile in enumerate(group):
                sums[(slice(None), slice(None), *tile)] += (outputs[:, place] * weight).to(where)
                shares[tile] += share
            _keep_pace(queue, device)

    @property
    def _asks_inside(self):
        """bool: whether it matters where in a tile something is seen: for tiles that may not be mirrored."""
        return self._mask is not None and self._sparing and bool(self._flips)

    def _mask_of(self, tile):
        import torch

        return torch.from_numpy(np.ascontiguousarray(self._mask[tile])).to(self._networks.device)

    def _seen(self, sums, shares):
        """Return where something is seen so far, and a little around it (bool, z, y, x, numpy)."""
        import torch

        mean = sums.mean(0) / torch.where(shares == 0, torch.ones_like(shares), shares)
        seen = ((lesion_chance(mean) > SEES_SOMETHING) & (shares > 0)).cpu().numpy()
        return widened(seen if self._mask is None else seen & self._mask, AROUND)

    def _finished(self, sums, shares):
        """Return the mean of the tiles, without what was padded, and background where there was none."""
        import torch

        inner = (slice(None), slice(None), *self._inner)
        sums, shares = sums[inner], shares[self._inner]
        empty = shares == 0
        sums /= torch.where(empty, torch.ones_like(shares), shares)
        if not torch.isfinite(sums).all():
            raise BadInput(
                "The network's output holds values that are not numbers",
                hint="The model does not suit this exam or is damaged",
            )
        if empty.any():
            sums[:, 0][empty.expand(len(sums), *empty.shape)] = -NOTHING if sums.shape[1] == 1 else NOTHING
        return sums


class Counter:
    """Counts passes and says how many there are."""

    def __init__(self, report, total):
        self._report, self._done, self._total = report, 0, total
        self.repeat()

    def add(self, count):
        """Count passes that are done or need not be done."""
        self._done += count
        self.repeat()

    def repeat(self):
        """Say it again: the report may end the work at any time."""
        self._report(self._done, self._total)


def first_plan(networks):
    """Return the `Memory` plan to begin with.

    On a GPU as many tiles at once as half of its free memory should hold, by a rough count of the activations.
    """
    import torch

    if networks.device.type != "cuda":
        return Memory(True, 1)
    free, _ = torch.cuda.mem_get_info(networks.device)
    width = next(networks.folds[0].parameters()).shape[0]  # of the first and largest activations
    estimate = int(np.prod(networks.tile)) * (width * 10 + networks.channels + networks.heads) * 2
    return Memory(True, int(np.clip(free // 2 // estimate, 1, MOST_AT_ONCE)))


def _key(tile):
    """Return where a tile begins; slices cannot be put into a set before Python 3.12."""
    return tuple(part if isinstance(part, int) else part.start for part in tile)


def _padded(data, tile):
    """Return an image (c, z, y, x) that is nowhere smaller than a tile, and where the image lies in it."""
    import torch

    missing = [max(0, size - length) for size, length in zip(tile, data.shape[-len(tile) :])]
    missing = [0] * (3 - len(missing)) + missing
    before = [lack // 2 for lack in missing]
    inner = tuple(slice(b, b + length) for b, length in zip(before, data.shape[1:]))
    if not any(missing):
        return data, inner
    sides = [side for b, lack in zip(before[::-1], missing[::-1]) for side in (b, lack - b)]
    return torch.nn.functional.pad(data, sides), inner


def _keep_pace(queue, device):
    """Wait until the GPU is at most `AHEAD` batches behind."""
    import torch

    if device.type != "cuda":
        return
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    queue.append(event)
    if len(queue) > AHEAD:
        queue.popleft().synchronize()
