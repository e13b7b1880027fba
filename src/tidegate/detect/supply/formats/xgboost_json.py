"""Tells XGBoost and CatBoost models in JSON, and examines what of them is text.

Both are numbers in a known frame; loading runs nothing. A frame that holds something else is told.
"""

from typing import Final

from tidegate.core.canonical import Json
from tidegate.detect.supply.formats.config_tree import examine_tree
from tidegate.detect.supply.formats.word_set import words
from tidegate.detect.supply.scan import Scan

_LEARNER: Final = words("""
    attributes feature_names feature_types gradient_booster learner_model_param objective
    learner_train_param metrics generic_param
""")
_TOP: Final = words("learner version Config Model")
_CATBOOST: Final = words("""
    features_info model_info oblivious_trees trees scale_and_bias ctr_data
""")


def is_learner(value: Json) -> bool:
    """Tell whether a value is an XGBoost model."""
    learner = value.get("learner") if isinstance(value, dict) else None
    return isinstance(learner, dict) and "gradient_booster" in learner


def examine(value: Json, scan: Scan) -> str | None:
    """Examine a model; ``None`` where it is none."""
    if is_learner(value):
        examine_learner(value, scan)
        return "xgboost-json"
    if isinstance(value, dict) and "model_info" in value and value.keys() <= _CATBOOST:
        examine_tree(value, scan)
        return "catboost-json"
    return None


def examine_learner(value: dict[str, Json], scan: Scan) -> None:
    """Examine the frame of an XGBoost model, and every text in it."""
    examine_tree(value, scan)
    strange = (value.keys() - _TOP) | (value["learner"].keys() - _LEARNER)
    for name in sorted(strange)[:8]:
        scan.gap(f"an XGBoost model with the part {name[:40]!r}, which is not known")
