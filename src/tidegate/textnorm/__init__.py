"""Text as a reader would see it: Unicode normalised, disguises undone, offsets kept.

>>> from tidegate.textnorm import normalise
>>> normalise("&#105;g\u200bnore  this").text
'ignore this'
"""

from tidegate.textnorm.decode import Readings, View, read, views
from tidegate.textnorm.normalise import Normalised, normalise

__all__ = ["Normalised", "Readings", "View", "normalise", "read", "views"]
