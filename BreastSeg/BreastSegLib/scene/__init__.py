"""MRML: exams and masks as nodes of the scene, and back. The only room besides ``panel`` that knows Slicer."""
