"""Images as data: files to grey levels, grey levels to masks."""

from mfnjax.images.grey import CHANNELS
from mfnjax.images.levels import Threshold, choose_threshold, half_range, mask_from_levels
from mfnjax.images.padding import pad_to_power_of_two
from mfnjax.images.reading import IMAGE_SUFFIXES, Image, open_image, read_image

__all__ = [
    "CHANNELS",
    "IMAGE_SUFFIXES",
    "Image",
    "Threshold",
    "choose_threshold",
    "half_range",
    "mask_from_levels",
    "open_image",
    "pad_to_power_of_two",
    "read_image",
]
