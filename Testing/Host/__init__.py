"""Host: the stand-in for the 3D Slicer application in which unchanged scripted modules are run and tested.

The scene, the module logics and the rendering are the real ones (``slicer-core``), the widgets are real Qt widgets
that behave as PythonQt does (``Host.pythonqt``), and the thin rest that neither has is written here. The host must
never be easier than the real application: a name that the record of the real application lacks is refused.
"""
