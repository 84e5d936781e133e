"""The ctk widgets that the host provides, written over PySide6 with the recorded members."""


def register():
    """Make the classes known as the recorded ctk classes."""
    from Host.pythonqt import objects
    from Host.pythonqt.ctkwidgets import buttons, collapsible, numbers, others, paths, ranges

    for module in (buttons, collapsible, numbers, others, paths, ranges):
        for name, value in vars(module).items():
            if name.startswith("ctk") and isinstance(value, type) and value.__module__ == module.__name__:
                objects.registerNative(name, value)
