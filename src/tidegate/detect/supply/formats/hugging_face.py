"""Examines what Hugging Face libraries read: indexes of shards, pipelines, adapters, tokenizers.

``auto_map`` and ``trust_remote_code`` are judged with every object of a configuration
(:mod:`~tidegate.detect.supply.formats.config_tree`); here is what takes more than a key.
"""

from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.finding import Severity
from tidegate.detect.supply.formats.outside import is_remote, leads_out
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.rules import is_executor
from tidegate.detect.supply.scan import Scan

_LIBRARIES: Final = words("""
    diffusers transformers onnxruntime optimum stable_diffusion flax peft k_diffusion
    diffusers.schedulers diffusers.pipelines diffusers.models pipelines_diffusers
""")
_PATHS: Final = words("""
    base_model_name_or_path tokenizer_file vocab_file merges_file chat_template_file
    parent_model_name_or_path feature_extractor_file
""")
OBJECT_KEYS: Final = _PATHS | {"auto_mapping"}
"""Keys that :func:`examine_object` looks at."""
_PARENTS: Final = ("transformers", "diffusers", "peft", "torch", "timm", "sentence_transformers")
_PAIR: Final = 2


def is_index(value: dict[str, Json]) -> bool:
    """Tell whether it is an index of shards."""
    return isinstance(value.get("weight_map"), dict)


def examine_index(value: dict[str, Json], scan: Scan) -> None:
    """Report shards that lie elsewhere."""
    for shard in {str(name) for name in value["weight_map"].values()}:
        if leads_out(shard):
            scan.find("config-reference", f"a shard lies at {printable(shard, 120)}", about=shard)


def is_pipeline(value: dict[str, Json]) -> bool:
    """Tell whether it is a diffusers pipeline."""
    return "_class_name" in value and "_diffusers_version" in value


def examine_pipeline(value: dict[str, Json], scan: Scan) -> None:
    """Report components whose code comes with the model."""
    if isinstance(value["_class_name"], list):
        scan.find("config-code", "the pipeline's class comes with the model", about="_class_name")
    for name, part in value.items():
        pair = isinstance(part, list) and len(part) == _PAIR and name != "_class_name"
        if not pair or not all(isinstance(item, str) for item in part):
            continue
        if part[0].partition(".")[0] not in _LIBRARIES:
            module = printable(part[0], 60)
            scan.find(
                "config-code",
                f"{printable(name, 60)} is of the module {module}, which comes with the model",
                about=name,
            )


def examine_object(item: dict[str, Json], scan: Scan) -> None:
    """Examine one object of a configuration."""
    for key in item.keys() & _PATHS:
        value = item[key]
        climbs = isinstance(value, str) and ".." in value.replace("\\", "/").split("/")
        if isinstance(value, str) and (is_remote(value) or climbs):
            scan.find("config-reference", f"{key} leads to {printable(value, 120)}", about=key)
    mapping = item.get("auto_mapping")
    if isinstance(mapping, dict):
        _parent(mapping.get("parent_library"), scan)


def _parent(library: Json, scan: Scan) -> None:
    """PEFT imports ``parent_library`` and takes a class from it by name."""
    if not isinstance(library, str) or library.partition(".")[0] in _PARENTS:
        return
    scan.find(
        "config-target",
        f"auto_mapping imports {printable(library)}",
        severity=Severity.CRITICAL if is_executor(library, "") else None,
        about=library,
    )
