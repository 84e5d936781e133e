"""Labelled cases in the application's scene: shown, corrected, and taken from it."""
