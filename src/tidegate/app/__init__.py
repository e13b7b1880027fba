"""The composition root: from settings to a workspace whose gates can run.

Only here the store meets its consumers, and only here and in the command line is configuration
read.
"""
