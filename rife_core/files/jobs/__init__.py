"""Many files, in parts, made by many workers.

The folder of a job is the contract between all who work on it: `job.json` says what is to
be done and divides it into parts; a part is done once its record lies in the folder. Who
makes a part, where, and how often it was begun does not matter.
"""

from .drive import JobReport, interpolate_files
from .local_workers import LocalWorkers
from .ray_workers import RayWorkers
from .recipe import Recipe
from .workers import DebugWorkers, Workers

__all__ = [
    "DebugWorkers",
    "JobReport",
    "LocalWorkers",
    "RayWorkers",
    "Recipe",
    "Workers",
    "interpolate_files",
]
