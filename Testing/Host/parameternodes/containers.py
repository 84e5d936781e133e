"""Lists and dictionaries that write themselves back into the parameter node when they are changed."""

import collections.abc


class ObservedList(collections.abc.MutableSequence):
    """A list that hands every change on. It cannot be added or multiplied: the result would no longer be observed."""

    def __init__(self, values, changed):
        self._values = list(values)
        self._changed = changed

    def __getitem__(self, index):
        return self._values[index]

    def __setitem__(self, index, value):
        self._change(lambda values: values.__setitem__(index, value))

    def __delitem__(self, index):
        self._change(lambda values: values.__delitem__(index))

    def insert(self, index, value):
        self._change(lambda values: values.insert(index, value))

    def sort(self, *, key=None, reverse=False):
        self._change(lambda values: values.sort(key=key, reverse=reverse))

    def _change(self, action):
        # Written back before it is kept: a refused value leaves the list as it was.
        changed = list(self._values)
        action(changed)
        self._changed(changed)
        self._values = changed

    def __len__(self):
        return len(self._values)

    def __eq__(self, other):
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    def __repr__(self):
        return f"ObservedList({self._values})"

    def _refuse(self, other):
        raise NotImplementedError("An ObservedList cannot be added or multiplied; += works")

    __add__ = __radd__ = __mul__ = __rmul__ = _refuse


class ObservedDict(collections.abc.MutableMapping):
    """A dictionary that hands every change on."""

    def __init__(self, values, changed):
        self._values = dict(values)
        self._changed = changed

    def __getitem__(self, key):
        return self._values[key]

    def __setitem__(self, key, value):
        self._change({**self._values, key: value})

    def __delitem__(self, key):
        if key not in self._values:
            raise KeyError(key)
        self._change({other: value for other, value in self._values.items() if other != key})

    def _change(self, changed):
        self._changed(changed)
        self._values = changed

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def __eq__(self, other):
        return self._values == (other._values if isinstance(other, ObservedDict) else other)

    def __repr__(self):
        return f"ObservedDict({self._values})"
