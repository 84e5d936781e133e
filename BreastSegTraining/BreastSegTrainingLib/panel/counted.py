"""Numbers of things as people say them: 1 case, 2 cases."""

from BreastSegLib.scene.texts import _


def cases(count):
    """Return a number of cases in words."""
    return _("1 case") if count == 1 else _("{count} cases").format(count=count)


def patients(count):
    """Return a number of patients in words."""
    return _("1 patient") if count == 1 else _("{count} patients").format(count=count)


def channels(count):
    """Return a number of channels in words."""
    return _("1 channel") if count == 1 else _("{count} channels").format(count=count)


def folds(count):
    """Return a number of folds in words."""
    return _("1 fold") if count == 1 else _("{count} folds").format(count=count)
