"""The only file of inference that imports torch and nnU-Net: a loaded model and its sliding window."""

import os
import pickle
import time

import numpy as np

from ..errors import BadInput, BreastSegError, DeviceUnavailable


class OutOfMemory(BreastSegError):
    """The device has too little memory for this case."""

    code = "out-of-memory"


class Engine:
    """A model kept loaded on a device.

    Attributes
    ----------
    device_name : str or None
        What people call the device.
    notes : list of str
        What the user should know about the last prediction, such as steps taken because memory was short.
    """

    def __init__(self):
        self.device_name = None
        self.notes = []
        self._predictor = None
        self._loaded = None

    def holds(self, folder, model_hash):
        """Return whether this very model is loaded, so that its files need no second check."""
        return self._loaded is not None and self._loaded[:2] == (str(folder), model_hash)

    def load(self, folder, model_hash, device, folds, report):
        """Load a model folder unless it is loaded already.

        Parameters
        ----------
        folder : Path
            nnU-Net v2 model folder.
        model_hash : str
            Hash of the weights: a changed model is loaded again.
        device : {'auto', 'cuda', 'cpu'}
            ``auto`` is CUDA and fails when CUDA does not work: nothing falls back silently.
        folds : sequence of str
        report : callable
            ``report(stage, done, total)``; may raise `Cancelled`.

        Raises
        ------
        DeviceUnavailable, BadInput
        """
        report("Loading model", 0, 2)
        # Where other programs use the processor too, threads that wait busily for each other made small networks
        # tens of times slower. torch reads this once, when it is imported.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import torch

        report("Loading model", 1, 2)
        chosen = _choose_device(torch, device)
        key = (str(folder), model_hash, chosen.type, tuple(folds))
        if key != self._loaded:
            self._predictor, self._loaded = None, None
            self._predictor = _load_predictor(folder, chosen, folds)
            self._loaded = key
            self.device_name = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "CPU"
        report("Loading model", 2, 2)

    @property
    def device(self):
        """str or None: ``cuda`` or ``cpu`` once a model is loaded."""
        return self._loaded[2] if self._loaded else None

    def predict(self, channels, spacing, tta, report):
        """Return the labels' probabilities on the grid of `channels`.

        Parameters
        ----------
        channels : numpy.ndarray
            (c, z, y, x), float32.
        spacing : tuple of float or None
            Along (x, y, z), mm; None where pixels have no meaningful size: they are taken as they are.
        tta : bool
            Average over mirrorings (nnU-Net's test-time augmentation).
        report : callable
            Called after each tile as ``report('Segmenting', done, total)``; may raise `Cancelled`.

        Returns
        -------
        numpy.ndarray
            (labels, z, y, x), float32, background first; mean over the folds.

        Raises
        ------
        BadInput
            If the model wants another number of channels.
        OutOfMemory
        """
        import torch
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

        predictor = self._predictor
        self.notes = []
        wanted = len(predictor.dataset_json["channel_names"])
        if wanted != len(channels):
            raise BadInput(
                f"The model wants {wanted} channels, the recipe makes {len(channels)}",
                hint="Choose the recipe that the model was trained with",
            )
        spacing = _own_spacing(predictor) if spacing is None else tuple(float(s) for s in spacing[::-1])
        predictor.use_mirroring = bool(tta)
        predictor.begin(report)
        try:
            preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
            data, _, properties = preprocessor.run_case_npy(
                channels,
                None,
                {"spacing": spacing},
                predictor.plans_manager,
                predictor.configuration_manager,
                predictor.dataset_json,
            )
            logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).cpu()
            _, probabilities = convert_predicted_logits_to_segmentation_with_correct_shape(
                logits,
                predictor.plans_manager,
                predictor.configuration_manager,
                predictor.label_manager,
                properties,
                return_probabilities=True,
            )
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise OutOfMemory(
                "The device has too little memory for this exam",
                self.device_name,
                "Close other programs or use --device cpu",
            ) from error
        finally:
            self.notes = predictor.end()
        return np.asarray(probabilities, np.float32)


def _own_spacing(predictor):
    """Return the spacing (z, y, x) at which the network works, so that nnU-Net resamples nothing."""
    spacing = list(predictor.configuration_manager.spacing)
    if len(spacing) == 2:
        spacing = [1.0, *spacing]  # of a 2D network, which leaves the distance of slices alone
    return tuple(float(spacing[axis]) for axis in predictor.plans_manager.transpose_backward)


def _choose_device(torch, device):
    if device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        try:
            torch.zeros(8, device="cuda").add_(1).sum().item()
            return torch.device("cuda")
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise DeviceUnavailable(
                f"The GPU does not work: {reason}", hint="Update the driver or PyTorch, or use --device cpu"
            ) from error
    built = "this PyTorch has no CUDA support" if torch.version.cuda is None else "no NVIDIA GPU or driver was found"
    raise DeviceUnavailable(f"There is no usable GPU: {built}", hint="Use --device cpu (slower)")


def _load_predictor(folder, device, folds):
    predictor = _predictor_class()(
        use_mirroring=False, perform_everything_on_device=device.type == "cuda", device=device, allow_tqdm=False
    )
    try:
        predictor.initialize_from_trained_model_folder(str(folder), tuple(folds), "checkpoint_final.pth")
    except (
        RuntimeError,
        KeyError,
        OSError,
        EOFError,
        ValueError,
        AttributeError,
        ImportError,
        pickle.UnpicklingError,
    ) as error:
        raise BadInput(
            f"The model cannot be loaded: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            folder,
            "Install the model again",
        ) from error
    return predictor


def _predictor_class():
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    class TilePredictor(nnUNetPredictor):
        """nnU-Net's predictor with a sliding window of its own.

        It reports each tile, can be cancelled between tiles and uses no threads. Tiles, weights and mirrorings are
        nnU-Net's own; sums are kept in float32, because half precision is slower on the CPU.
        """

        def begin(self, report):
            self._report, self._done, self._notes, self._started = report, 0, [], time.monotonic()

        def end(self):
            notes, self._report = self._notes, None
            return notes

        def _internal_predict_sliding_window_return_logits(self, data, slicers, do_on_device=True):
            try:
                return self._sum_tiles(data, slicers, self.device if do_on_device else torch.device("cpu"))
            except torch.OutOfMemoryError:
                if not do_on_device or self.device.type == "cpu":
                    raise
                torch.cuda.empty_cache()
                self._done -= self._done % len(slicers)
                self._notes.append("GPU memory was short: the result was summed in main memory, which is slower.")
                return self._sum_tiles(data, slicers, torch.device("cpu"))

        def _sum_tiles(self, data, slicers, where):
            total = len(slicers) * len(self.list_of_parameters)
            self._report("Segmenting", self._done, total)
            data = data.to(where)
            weight = compute_gaussian(
                tuple(self.configuration_manager.patch_size),
                sigma_scale=1.0 / 8,
                value_scaling_factor=10,
                dtype=torch.float32,
                device=where,
            )
            logits = torch.zeros(
                (self.label_manager.num_segmentation_heads, *data.shape[1:]), dtype=torch.float32, device=where
            )
            weights = torch.zeros(data.shape[1:], dtype=torch.float32, device=where)
            for tile in slicers:
                patch = data[tile][None].contiguous().to(self.device)
                prediction = self._internal_maybe_mirror_and_predict(patch)[0].to(where, torch.float32)
                logits[tile] += prediction.mul_(weight)
                weights[tile[1:]] += weight
                self._done += 1
                self._report("Segmenting", self._done, total)
            logits /= weights
            if not torch.isfinite(logits).all():
                raise BadInput(
                    "The network's output holds values that are not numbers",
                    hint="The model does not suit this exam or is damaged",
                )
            return logits

    return TilePredictor
