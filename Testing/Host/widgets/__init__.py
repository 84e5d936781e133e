"""MRML widgets that panels use: Qt widgets that follow the scene."""
