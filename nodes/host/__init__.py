"""What lies between the nodes and the program that runs them: ComfyUI, a script or a test."""

from .advice import advising, as_advice
from .calls import work
from .comfyui_video import COLOR_SPACES, opened, video_of_file
from .device import compute_device, free_memory
from .folders import Folders, input_folder, inside, output_folder, temporary_path, use_folders
from .images import JOIN, check_enough, colours
from .model import RIFEModel
from .outputs import Outputs
from .progress_bar import Progress, progress
from .prompt import Part, running_after, running_item, running_part
from .sample import SAMPLE, offer_sample
from .video import Video
from .weights import chosen_path, list_models, model_folders, model_names, model_path

__all__ = [
    "COLOR_SPACES",
    "JOIN",
    "SAMPLE",
    "Folders",
    "Outputs",
    "Part",
    "Progress",
    "RIFEModel",
    "Video",
    "advising",
    "as_advice",
    "check_enough",
    "chosen_path",
    "colours",
    "compute_device",
    "free_memory",
    "input_folder",
    "inside",
    "list_models",
    "model_folders",
    "model_names",
    "model_path",
    "offer_sample",
    "opened",
    "output_folder",
    "progress",
    "running_after",
    "running_item",
    "running_part",
    "temporary_path",
    "use_folders",
    "video_of_file",
    "work",
]
