"""Which archive member names would be written outside the folder that is extracted to.

>>> unsafe_name(b"../etc/passwd"), unsafe_name(b"model/weights.bin")
(True, False)
"""

import re

_DRIVE = re.compile(rb"[A-Za-z]:")


def unsafe_name(name: bytes) -> bool:
    """Tell whether a name is absolute, climbs, names a drive, or hides its end."""
    parts = re.split(rb"[/\\]", name)
    return (
        name.startswith((b"/", b"\\"))
        or b".." in parts
        or _DRIVE.match(name) is not None
        or b"\0" in name
    )
