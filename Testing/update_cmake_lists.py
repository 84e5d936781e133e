#!/usr/bin/env python3
"""Writes the lists of scripts and resources in the modules' CMakeLists.txt from the files on disk."""

from structure.cmake_lists import rewrite

if __name__ == "__main__":
    changed = rewrite()
    print(f"Updated: {', '.join(changed)}" if changed else "The lists are up to date.")
