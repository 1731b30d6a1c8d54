"""Measures this project and its peers side by side.

All get the same network, weights and frames on the same machine in one run; each has a
process of its own, and they take turns, so that a change in the machine's load affects all.
"""
