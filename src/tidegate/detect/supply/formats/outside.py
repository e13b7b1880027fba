"""Which paths in a configuration lead outside the model's own files.

>>> leads_out("model-00001.safetensors"), leads_out("../x"), leads_out("https://a.example/x")
(False, True, True)
"""

from tidegate.detect.supply.archives.member_names import unsafe_name


def leads_out(path: str) -> bool:
    """Tell whether a path is an address, absolute, on another drive or host, or climbs."""
    return "://" in path or path.startswith("~") or unsafe_name(path.encode("utf-8", "replace"))


def is_remote(path: str) -> bool:
    """Tell whether a path is an address or on another host: those are followed by some loaders."""
    return "://" in path or path.startswith(("\\\\", "//", "file:"))
