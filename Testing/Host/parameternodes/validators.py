"""Checks of parameter values, written as annotations: ``Annotated[float, WithinRange(0, 1)]``."""

import abc


class Validator(abc.ABC):
    """Base of all checks: `validate` raises ValueError (TypeError for a wrong type)."""

    @staticmethod
    @abc.abstractmethod
    def validate(value) -> None:
        raise NotImplementedError


class NotNone(Validator):
    """Refuses None."""

    @staticmethod
    def validate(value) -> None:
        if value is None:
            raise ValueError("Value must not be None")


class IsNone(Validator):
    """Refuses everything but None."""

    @staticmethod
    def validate(value) -> None:
        if value is not None:
            raise ValueError(f"Value must be None, not {value!r}")


class IsInstance(Validator):
    """Refuses values of other classes; None passes."""

    def __init__(self, classtype):
        self.classtype = classtype

    def validate(self, value) -> None:
        if value is not None and not isinstance(value, self.classtype):
            raise TypeError(f"Value must be of type {self.classtype}, not {type(value)}")


class WithinRange(Validator):
    """Refuses numbers outside of a closed range."""

    def __init__(self, minimum, maximum):
        if minimum > maximum:
            raise ValueError(f"The minimum {minimum} is above the maximum {maximum}")
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value {value} must be between {self.minimum} and {self.maximum}")


class Minimum(Validator):
    """Refuses numbers below a limit."""

    def __init__(self, minimum):
        self.minimum = minimum

    def validate(self, value) -> None:
        if value < self.minimum:
            raise ValueError(f"Value {value} must not be below {self.minimum}")


class Maximum(Validator):
    """Refuses numbers above a limit."""

    def __init__(self, maximum):
        self.maximum = maximum

    def validate(self, value) -> None:
        if value > self.maximum:
            raise ValueError(f"Value {value} must not be above {self.maximum}")


class Choice(Validator):
    """Refuses what is not on a list."""

    def __init__(self, choices):
        self.choices = choices

    def validate(self, value) -> None:
        if value not in self.choices:
            raise ValueError(f"Value {value!r} must be one of {self.choices}")


class Exclude(Validator):
    """Refuses what is on a list."""

    def __init__(self, excludedValues):
        self.excludedValues = excludedValues

    def validate(self, value) -> None:
        if value in self.excludedValues:
            raise ValueError(f"Value {value!r} must not be one of {self.excludedValues}")


class RangeBounds(Validator):
    """Refuses ranges (objects with minimum and maximum) that leave the bounds."""

    def __init__(self, minimum, maximum):
        self.minimum = minimum
        self.maximum = maximum

    def validate(self, value) -> None:
        if value.minimum < self.minimum or value.maximum > self.maximum:
            raise ValueError(f"Range {value.minimum}..{value.maximum} must lie within {self.minimum}..{self.maximum}")


def extractValidators(annotations):
    """Return (validators, other annotations)."""
    found = [entry for entry in annotations if isinstance(entry, Validator)]
    return found, [entry for entry in annotations if not isinstance(entry, Validator)]
