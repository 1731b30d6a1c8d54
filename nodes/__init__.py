"""The nodes, by the ids under which workflows know them. An id never changes."""

from __future__ import annotations

from .adapt_rife import AdaptRIFE
from .compare_frames import CompareFrames
from .convert_model import ConvertInterpolationModel
from .estimate_flow import EstimateFlow
from .flow_loss import ComputeFlowLoss
from .host import offer_sample
from .interpolate_frames import InterpolateFrames
from .interpolate_video import InterpolateVideo
from .load_rife import LoadRIFE
from .video_ae_loss import VideoAELoss

NODE_CLASS_MAPPINGS = {
    "LoadRIFE": LoadRIFE,
    "InterpolateFrames": InterpolateFrames,
    "InterpolateVideo": InterpolateVideo,
    "CompareFrames": CompareFrames,
    "AdaptRIFE": AdaptRIFE,
    "EstimateFlow": EstimateFlow,
    "ComputeFlowLoss": ComputeFlowLoss,
    "VideoAELoss": VideoAELoss,
    "ConvertInterpolationModel": ConvertInterpolationModel,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    node_id: node.DISPLAY_NAME for node_id, node in NODE_CLASS_MAPPINGS.items()
}

offer_sample()
