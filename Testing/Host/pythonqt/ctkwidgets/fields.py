"""Small helper for the ctk classes: Qt properties that just keep a value."""

from PySide6 import QtCore


def kept(kind, name, default, changed=None):
    """A Qt property of type ``kind`` that is stored on the object; another value calls ``changed(self)``."""
    place = "_" + name

    def read(self):
        return self.__dict__.get(place, default)

    def write(self, value):
        if value != read(self):
            self.__dict__[place] = value
            if changed is not None:
                changed(self)

    return QtCore.Property(kind, read, write)


def forwarded(kind, part, getter, setter):
    """A Qt property that belongs to the inner widget ``self.<part>``."""

    def read(self):
        value = getattr(getattr(self, part), getter)()
        return int(value.value) if hasattr(value, "value") and kind is int else value

    def write(self, value):
        getattr(getattr(self, part), setter)(value)

    return QtCore.Property(kind, read, write)
