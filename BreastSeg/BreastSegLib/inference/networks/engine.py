"""Loaded models and what they predict (worker side). torch and nnU-Net are imported inside the functions."""

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from ...errors import BadInput, BreastSegError
from ..hostmemory import main_memory
from . import devices
from .network import load_networks
from .networkgrid import backward, forward, mask_forward, placed
from .passes import label_chances, lesion_chance
from .tiles import widened
from .window import Window, first_plan

SHARE_OF_MEMORY = 0.25  # of the device, that models which are not in use may take


class OutOfMemory(BreastSegError):
    """The device has too little memory for this case."""

    code = "out-of-memory"


@dataclass(frozen=True)
class Prediction:
    """What one model says of one prepared case, on the prepared grid.

    Parameters
    ----------
    chances : numpy.ndarray
        (labels, z, y, x), float32, 0 to 1: of each label but the background. Folds and mirrorings are averaged as
        nnU-Net does it, before the softmax.
    spread : tuple of numpy.ndarray, or None
        Mean and variance of the folds' chances of a lesion, (z, y, x), float32, if they were asked for.
    folds : int
        Number of folds.
    work : dict
        ``tiles`` and ``passes`` (a tile through a network): those there were, and those computed.
    notes : tuple of str
        Sentences worth reading.
    """

    chances: np.ndarray
    spread: tuple | None = None
    folds: int = 1
    work: dict = field(default_factory=dict)
    notes: tuple = ()


class Engine:
    """Models kept loaded; those not used for longest are dropped when they take too much memory.

    Attributes
    ----------
    device, device_name : str or None
        Where the last model was loaded: ``cuda:0`` or ``cpu``, and what people call it.
    """

    def __init__(self):
        self.device = self.device_name = None
        self._models = OrderedDict()  # (folder, hash, folds, device) -> Networks, the last used one last
        self._devices = {}

    def holds(self, folder, model_hash):
        """Return whether this very model is loaded, so that its files need no second check."""
        return any(key[:2] == (str(folder), model_hash) for key in self._models)

    def load(self, model, folds, device, report):
        """Load a model unless it is loaded already, and return its `Networks`.

        Parameters
        ----------
        model : models.Model
            Not an ensemble.
        folds : sequence of str
        device : str
            ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` (see `devices.choose`).
        report : callable
            ``report(stage, done, total)``; may raise `Cancelled`.

        Raises
        ------
        DeviceUnavailable, BadInput, OutOfMemory
        """
        steps = len(folds) + 1
        report("Loading model", 0, steps)
        chosen = self._device(device)
        key = (str(model.folder), model.hash, tuple(folds), str(chosen))
        if key not in self._models:
            report("Loading model", 1, steps)
            self._models[key] = self._loaded(
                model, folds, chosen, lambda done, _: report("Loading model", 1 + done, steps)
            )
        self._models.move_to_end(key)
        self._make_room(chosen)
        report("Loading model", steps, steps)
        return self._models[key]

    def predict(
        self, model, folds, channels, spacing, report, device, tta=False, breast=None, sparing=False, spread=False
    ):
        """Return the `Prediction` of a model for one prepared case.

        Parameters
        ----------
        model, folds, device
            As for `load`.
        channels : numpy.ndarray
            (c, z, y, x), float32.
        spacing : tuple of float or None
            Along (x, y, z), mm; None where pixels have no meaningful size: they are taken as they are.
        report : callable
            Called as ``report('Segmenting', done, total)``, also in the middle of a tile; may raise `Cancelled`.
        tta : bool
            Average over mirrorings (nnU-Net's test-time augmentation).
        breast : numpy.ndarray, optional
            bool, (z, y, x): tiles wholly outside are not computed; there is no lesion.
        sparing : bool
            Look closely, with all tiles and mirrorings, only where something is seen (see `Window`).
        spread : bool
            Also say how far the folds are apart.

        Raises
        ------
        BadInput
            If the model wants another number of channels, or gives values that are not numbers.
        OutOfMemory
        """
        import torch

        networks = self.load(model, folds, device, lambda *_: report("Segmenting", 0, 1))
        if networks.channels != len(channels):
            raise BadInput(
                f"The model wants {networks.channels} channels, the recipe makes {len(channels)}",
                hint="Choose the recipe that the model was trained with",
            )
        spacing = None if spacing is None else tuple(float(s) for s in spacing[::-1])
        with torch.inference_mode():
            try:
                return self._predict(networks, channels, spacing, report, tta, breast, sparing, spread)
            except (MemoryError, RuntimeError) as error:
                if not _is_memory(error):
                    raise
                raise OutOfMemory(
                    "The device has too little memory for this exam",
                    self.device_name,
                    "Close other programs or use --device cpu",
                ) from error
            finally:
                networks.pulse = None

    def _predict(self, networks, channels, spacing, report, tta, breast, sparing, spread):
        def tell(done, total):
            report("Segmenting", done, total)

        tell(0, 1)
        data, way = forward(channels, spacing, networks.plans, networks.configuration, networks.device)
        mask = None if breast is None else widened(mask_forward(breast, way))
        window = Window(networks, data, mask, tta, sparing, spread, tell)
        del data
        logits, notes = self._within_memory(window, networks)
        one = logits[0] if len(logits) == 1 else logits.mean(0)
        chances = placed(label_chances(backward(one, way, networks.configuration)), way)
        return Prediction(
            chances,
            _spread(logits, way, networks.configuration) if spread else None,
            len(networks.folds),
            vars(window.work).copy(),
            notes,
        )

    def _within_memory(self, window, networks):
        """Return the logits, with less and less of the device's memory until it is enough, and what to say of it."""
        import torch

        memory = first_plan(networks)
        while True:
            try:
                return window.logits(memory), tuple(filter(None, [memory.note]))
            except torch.OutOfMemoryError:
                memory = memory.less()
                if memory is None:
                    raise
            if networks.device.type == "cuda":  # outside the handler, which keeps the failed tensors alive
                self._drop_others(networks)
                torch.cuda.empty_cache()

    def _device(self, device):
        """Return the torch device of a name. The choice is made once: `auto` must not wander from GPU to GPU."""
        if device not in self._devices:
            self._devices[device] = devices.choose(device)
        chosen = self._devices[device]
        self.device, self.device_name = str(chosen), devices.name_of(chosen)
        return chosen

    def _loaded(self, model, folds, device, report):
        import torch

        try:
            return load_networks(model, folds, device, report)
        except torch.OutOfMemoryError:
            self._models.clear()
        torch.cuda.empty_cache()
        try:
            return load_networks(model, folds, device, report)
        except torch.OutOfMemoryError as error:
            raise OutOfMemory(
                "The device has too little memory for this model",
                f"{model.name}, {self.device_name}",
                "Close other programs, use fewer folds, or use --device cpu",
            ) from error

    def _make_room(self, device):
        """Drop the models that were not used for longest, but never the last used one."""
        import torch

        here = [key for key in self._models if key[3] == str(device)]
        if device.type == "cuda":
            total = torch.cuda.get_device_properties(device).total_memory
        else:
            total = main_memory()[0] or (8 << 30)
        used = sum(self._models[key].bytes for key in here)
        for key in here[:-1]:
            if used <= total * SHARE_OF_MEMORY:
                return
            used -= self._models.pop(key).bytes

    def _drop_others(self, networks):
        for key in [key for key, held in self._models.items() if held is not networks]:
            del self._models[key]


def _spread(logits, way, configuration):
    """Return mean and variance of the folds' chances of a lesion on the prepared grid."""
    mean, squares = None, None
    for fold in logits:
        chance = lesion_chance(backward(fold, way, configuration))[None]
        mean = chance / len(logits) if mean is None else mean + chance / len(logits)
        squares = chance**2 / len(logits) if squares is None else squares + chance**2 / len(logits)
    variance = (squares - mean**2).clamp_(min=0)
    return placed(mean, way)[0], placed(variance, way)[0]


def _is_memory(error):
    """Return whether an error says that memory is short; torch says it of main memory with a bare RuntimeError."""
    text = str(error)
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text
