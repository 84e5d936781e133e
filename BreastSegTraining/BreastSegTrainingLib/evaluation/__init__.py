"""How good predictions are: measures of pairs of masks, lesions found, whole images, groups, comparisons.

See `sources` for where pairs come from, `run.evaluate` for measuring them.
"""
