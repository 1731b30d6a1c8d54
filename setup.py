"""The packages: the repository's root is `rife_video`, a prefix that pyproject.toml cannot give."""

from setuptools import find_packages, setup

folders = find_packages(include=["nodes*", "rife_core*", "workflows*"])
setup(packages=["rife_video", "rife_video.weights", *(f"rife_video.{name}" for name in folders)])
