"""What a training stops with: each is one sentence for the user. Imports nothing, so that every process knows them."""


class SettingsWrong(ValueError):
    """Settings that no training can run with, or that do not fit its data; one sentence."""


class StopTraining(Exception):
    """Raised by `after_epoch` to end a training after the epoch that is just finished; the last state is kept."""


class CheckpointNotWritten(Exception):
    """A checkpoint could not be written, as on a full disk. The one before it is as it was.

    Parameters
    ----------
    path : str
    reason : str
        What the system said, in words.
    """

    def __init__(self, path, reason):
        super().__init__(f"The checkpoint {path} could not be written: {reason}")
        self.path, self.reason = str(path), reason


class EncoderWeightsUnfit(ValueError):
    """Pretrained weights of an encoder that cannot be got, opened or put into the network; one sentence."""
