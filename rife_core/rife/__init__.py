"""RIFE under its documented module names: code written for `rife.IFNet` and the others runs here.

Change `rife` to `rife_video.rife_core.rife` in the imports; nothing else.
"""
