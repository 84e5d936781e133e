"""Training of breast lesion models: what the BreastSegTraining module and its command line share.

It may use BreastSegLib, never the reverse. Nothing here imports Qt or MRML except ``scene`` and ``panel``.
"""
