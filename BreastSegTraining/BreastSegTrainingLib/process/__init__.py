"""The child processes that know torch and nnU-Net: ``python -m BreastSegTrainingLib.process VERB …``."""
