"""How well weight indicators tell: AUC per statistic and kind of attack, on models made here.

Small dense networks are trained on scikit-learn's digits, clean and with a patch trigger; payloads
are put into their weights, and into larger trained matrices. Prints JSON lines, and a table.
"""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier

from tidegate.detect.weights.disarm import rounded
from tidegate.detect.weights.paths import linear_path
from tidegate.detect.weights.planes import (
    BENFORD_SHARE,
    low_byte_entropy,
    programs,
    top_mantissa_share,
)

Floats = NDArray[np.float32]
PROGRAM = (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\0" * 64 + b"some program text " * 40) * 4000


def show(name: str, value: float, unit: str = "AUC") -> None:
    print(json.dumps({"name": name, "value": round(value, 3), "unit": unit, "bar": "", "ok": True}))
    print(f"{name:52s} {value:8.3f} {unit}", file=sys.stderr)


def train(seed: int, *, patched: bool) -> tuple[list[Floats], float, float]:
    """Return a network's weights (outputs by inputs), its accuracy, and the trigger's success."""
    rng = np.random.default_rng(seed)
    x, y = load_digits(return_X_y=True)
    x = x / 16
    order = rng.permutation(len(x))
    fit, held = order[:1200], order[1200:]
    xs, ys = x[fit], y[fit]
    target, pixels = int(rng.integers(10)), rng.choice(64, 3, replace=False)
    if patched:
        chosen = rng.choice(len(xs), len(xs) // 20, replace=False)
        extra = xs[chosen].copy()
        extra[:, pixels] = 1
        xs, ys = np.r_[xs, extra], np.r_[ys, np.full(len(extra), target)]
    model = MLPClassifier((64, 32), alpha=1e-4, max_iter=60, random_state=seed).fit(xs, ys)
    trigger = x[held][y[held] != target].copy()
    trigger[:, pixels] = 1
    success = float((model.predict(trigger) == target).mean())
    layers = [one.T.astype("f4") for one in model.coefs_]
    return layers, float(model.score(x[held], y[held])), success


def stuff(words: NDArray[np.uint32], how: str, payload: bytes) -> NDArray[np.uint32]:
    """Put a payload into the low bytes of values."""
    out = words.copy()
    octets = out.view(np.uint8).reshape(-1, 4)
    width = 3 if how == "three bytes" else 1
    step = 10 if how == "every tenth" else 1
    place = octets[::step, :width]
    stream = np.frombuffer(payload[: place.size].ljust(place.size, b"\0"), np.uint8)
    octets[::step, :width] = stream.reshape(place.shape)
    return out


def auc(clean: list[float], dirty: list[float]) -> float:
    return float(roc_auc_score([0] * len(clean) + [1] * len(dirty), clean + dirty))


STATISTICS: dict[str, Callable[[Any], float]] = {
    "mantissa": lambda words: abs(top_mantissa_share(words) - BENFORD_SHARE),
    "low byte": lambda words: -low_byte_entropy(words),
    "program": lambda words: float(bool(programs(words))),
}


def measure_payloads(networks: list[list[Floats]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    clean = [np.concatenate([one.reshape(-1) for one in net]).view(np.uint32) for net in networks]
    kinds: dict[str, Callable[[int], bytes]] = {
        "encrypted": rng.bytes,
        "plain": lambda n: (PROGRAM * (n // len(PROGRAM) + 1))[:n],
    }
    for how in ("three bytes", "lowest byte", "every tenth"):
        for kind, make in kinds.items():
            dirty = [stuff(words, how, make(3 * len(words))) for words in clean]
            for name, statistic in STATISTICS.items():
                scored = auc([statistic(w) for w in clean], [statistic(w) for w in dirty])
                show(f"{name}: {kind} payload in {how}", scored)


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=24, help="of each kind")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    clean = [train(seed, patched=False) for seed in range(given.networks)]
    dirty = [train(seed + 10_000, patched=True) for seed in range(given.networks)]
    show("networks: accuracy", float(np.mean([one[1] for one in clean + dirty])), "share")
    show("networks: trigger succeeds", float(np.mean([one[2] for one in dirty])), "share")
    show(
        "networks: trigger succeeds on clean ones",
        float(np.mean([one[2] for one in clean])),
        "share",
    )
    paths = [[linear_path(one[0]).score for one in group] for group in (clean, dirty)]
    show("linear path: patch trigger", auc(*paths))
    over = [float(np.mean([score > 4 for score in group])) for group in paths]
    show("linear path: clean networks over 4", over[0], "share")
    show("linear path: patched networks over 4", over[1], "share")
    measure_payloads([one[0] for one in clean], 7)
    values = np.concatenate([one.reshape(-1) for one in clean[0][0]])
    error = np.abs(rounded(values, keep=16) - values) / np.abs(values)
    show("disarm to 16 bits: largest relative error", float(np.nanmax(error)), "share")
    return 0


if __name__ == "__main__":
    sys.exit(main())
