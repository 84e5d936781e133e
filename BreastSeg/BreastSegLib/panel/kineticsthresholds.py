"""The thresholds of kinetics that users change, as spin boxes."""

from ..errors import BadInput
from ..measures.settings import Settings

# Widget → field of `Settings`, and how many times the field's number is shown.
FIELDS = {
    "kineticsEarlyBox": ("early_s", 1),
    "kineticsLateBox": ("late_s", 1),
    "kineticsEnhancementBox": ("pe_threshold_pct", 1),
    "kineticsBackgroundBox": ("background_fraction", 100),
    "kineticsNeighboursBox": ("min_neighbours", 1),
    "kineticsRatioBox": ("ser_min", 1),
}


class KineticsThresholds:
    """The group "Thresholds".

    Parameters
    ----------
    ui : object
        The widgets of Kinetics.ui, by name.
    onChange : callable
        Called when the user changes one.
    """

    def __init__(self, ui, onChange):
        self._ui, self._onChange = ui, onChange
        self._base = self._measured = Settings()
        self.show(Settings())
        for name in FIELDS:
            box = getattr(ui, name)
            signal = "valueChanged(int)" if box.inherits("QSpinBox") else "valueChanged(double)"
            box.connect(signal, self._onEdited)
        ui.kineticsResetButton.connect("clicked()", self.reset)

    @property
    def settings(self):
        """Settings: those of the boxes; what has no box is as in what was filled in last.

        Raises
        ------
        BadInput
            If they do not go together.
        """
        values = {}
        for name, (field, times) in FIELDS.items():
            value = getattr(self._ui, name).value
            values[field] = value / times if times != 1 else value
        return self._base.changed(values)

    @property
    def measured(self):
        """Settings: those of the measurement that is shown, whatever the user has changed since."""
        return self._measured

    @property
    def problem(self):
        """str: why the thresholds cannot be used; '' when they can."""
        try:
            self.settings  # noqa: B018
        except BadInput as error:
            return error.what
        return ""

    def show(self, settings):
        """Show the settings of a measurement."""
        self._measured = settings
        self._fill(settings)

    def _fill(self, settings):
        self._base = settings
        for name, (field, times) in FIELDS.items():
            box, value = getattr(self._ui, name), getattr(settings, field) * times
            wasBlocked = box.blockSignals(True)
            box.setValue(round(value) if box.inherits("QSpinBox") else value)
            box.blockSignals(wasBlocked)

    def reset(self):
        """Show the published thresholds; the user still has to measure with them."""
        self._fill(Settings())
        self._onChange()

    def _onEdited(self, value):
        self._onChange()
