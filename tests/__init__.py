"""Tests, a file or a folder for each room of the package."""
