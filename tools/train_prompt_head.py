"""Train the linear heads of the prompt check on the ``train`` split, and choose their thresholds.

Thresholds are chosen on the same split, out of fold: the sources are dealt into folds, and each
fold is scored by a head that saw none of its sources. ``val`` and ``dev`` are never read here.

Run: ``OMP_NUM_THREADS=1 python tools/train_prompt_head.py PROMPTS.jsonl.zst``
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tidegate.detect.prompt.features import BUCKETS, features, windows
from tidegate.detect.prompt.head import Kind
from tidegate.textnorm import normalise, views

OUT = Path(__file__).resolve().parents[1] / "src/tidegate/detect/prompt/heads.bin"
WINDOW = {Kind.USER: (1_200, 900), Kind.DOCUMENT: (450, 250)}
FOLDS = 4
FALSE_ALARMS = 0.01
LEFT_OUT = {"satml-ctf-2024"}
"""Turns of a game of which many are no attack."""
EPOCHS, BATCH, RATE, DECAY = 8, 256, 0.3, 2e-6
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Samples:
    """Windows as ragged rows of buckets."""

    buckets: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    sources: np.ndarray
    texts: np.ndarray
    """Which text a window is of."""


def read(path: Path, split: str) -> Iterator[Row]:
    """Read the rows of a split from JSON lines, compressed with zstd."""
    with pa.CompressedInputStream(str(path), "zstd") as stream:
        for line in stream.read().decode("utf-8").split("\n"):
            row = json.loads(line) if line else None
            if row and row["split"] == split:
                yield row


def pieces(row: Row, kind: Kind, dice: random.Random) -> list[tuple[str, int]]:
    """Return the windows to learn from, each with its label."""
    attack = row["label"] != "benign"
    seen = [view.text for view in views(row["text"][:8_000])]
    if row.get("obf"):
        # A disguise is no crime: only what it hides is learnt as an attack.
        return [(text, 1) for text in seen[1:3]] or [(seen[0], 1)][: int(row["obf"] in PLAIN)]
    cut = windows(seen[0], *WINDOW[kind])
    injected = normalise(row.get("inj") or "").text[:60]
    if attack and injected and kind is Kind.DOCUMENT:
        holds = [text for text in cut if injected[:40] in text]
        clean = [text for text in cut if injected[:12] not in text]
        return [(text, 1) for text in holds[:2]] + [
            (text, 0) for text in dice.sample(clean, min(1, len(clean)))
        ]
    return [(text, int(attack)) for text in dice.sample(cut, min(3, len(cut)))]


PLAIN = {"fullwidth", "zerowidth", "homoglyph", "bidi", "split", "typoglycemia"}
"""Disguises that normalising undoes, or that leave words readable."""


def gather(rows: Sequence[Row], kind: Kind) -> Samples:
    """Turn rows into samples; each source weighs at most as much as a few hundred rows."""
    dice = random.Random(7)  # noqa: S311 - a seeded draw, no secret
    counts = Counter((row["source"], row["label"] == "benign") for row in rows)
    found, labels, weights, sources, texts = [], [], [], [], []
    for number, row in enumerate(rows):
        weight = 1 / max(300, counts[row["source"], row["label"] == "benign"]) ** 0.5
        for text, label in pieces(row, kind, dice):
            found.append(np.fromiter(features(text), np.int32))
            labels.append(label)
            weights.append(weight * (1 if label else 2))
            sources.append(row["source"])
            texts.append(number)
    share = np.asarray(weights)
    return Samples(
        np.concatenate(found),
        np.cumsum([len(item) for item in found]),
        np.asarray(labels, dtype=np.float32),
        share / share.mean(),
        np.asarray(sources),
        np.asarray(texts),
    )


def rows_of(samples: Samples, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the buckets of some rows, where each row begins, and how long it is."""
    starts = np.concatenate([[0], samples.ends[:-1]])
    sizes = (samples.ends - starts)[chosen]
    begins = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    flat = np.arange(sizes.sum()) - np.repeat(begins - starts[chosen], sizes)
    return samples.buckets[flat], begins, sizes


def fit(samples: Samples, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Fit logistic regression with AdaGrad (Duchi et al., 2011); return weights and bias."""
    dice = np.random.default_rng(3)
    w, bias = np.zeros(BUCKETS, np.float32), 0.0
    seen, seen_bias = np.full(BUCKETS, 1e-3, np.float32), 1e-3
    for epoch in range(EPOCHS):
        rate = RATE * (1 - epoch / EPOCHS)
        for batch in np.array_split(dice.permutation(chosen), max(1, len(chosen) // BATCH)):
            buckets, begins, sizes = rows_of(samples, batch)
            norm = 1 / np.sqrt(sizes)
            logits = np.add.reduceat(w[buckets], begins) * norm + bias
            slope = (1 / (1 + np.exp(-logits)) - samples.labels[batch]) * samples.weights[batch]
            slope /= len(batch)
            touched, where = np.unique(buckets, return_inverse=True)
            grad = np.bincount(where, np.repeat(slope * norm, sizes)).astype(np.float32)
            grad += DECAY * w[touched]
            seen[touched] += grad * grad
            w[touched] -= rate * grad / np.sqrt(seen[touched])
            seen_bias += slope.sum() ** 2
            bias -= rate * slope.sum() / seen_bias**0.5
    return w, float(bias)


def score(samples: Samples, w: np.ndarray, bias: float, chosen: np.ndarray) -> np.ndarray:
    """Return the score of each chosen window."""
    out = np.empty(len(chosen))
    for at in range(0, len(chosen), 4_096):
        buckets, begins, sizes = rows_of(samples, chosen[at : at + 4_096])
        out[at : at + 4_096] = np.add.reduceat(w[buckets], begins) / np.sqrt(sizes) + bias
    return out


def threshold(samples: Samples, kind: Kind) -> float:
    """Return the score that one benign text in a hundred reaches out of fold."""
    names = sorted(set(samples.sources))
    random.Random(11).shuffle(names)  # noqa: S311 - same
    scores = np.empty(len(samples.labels))
    for fold in range(FOLDS):
        out = np.isin(samples.sources, names[fold::FOLDS])
        w, bias = fit(samples, np.flatnonzero(~out))
        held = np.flatnonzero(out)
        scores[held] = score(samples, w, bias, held)
    attacks = set(samples.texts[samples.labels > 0])
    worst: dict[int, float] = {}
    for text, value in zip(samples.texts, scores, strict=True):
        worst[text] = max(worst.get(text, -99.0), value)
    benign = sorted(value for text, value in worst.items() if text not in attacks)
    bound = benign[int((1 - FALSE_ALARMS) * len(benign))]
    caught = np.mean([value >= bound for text, value in worst.items() if text in attacks])
    print(f"{kind}: threshold {bound:.3f}, out-of-fold recall {caught:.3f}", file=sys.stderr)
    return float(bound)


def main() -> None:
    """Train both heads and write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    described: list[dict[str, Any]] = []
    body = b""
    rows = [row for row in read(given.data, "train") if row["source"] not in LEFT_OUT]
    for kind in Kind:
        began = time.perf_counter()
        samples = gather([row for row in rows if row["kind"] == kind], kind)
        print(f"{kind}: {len(samples.labels)} windows, {len(samples.buckets)} n-grams, "
              f"{time.perf_counter() - began:.0f} s", file=sys.stderr)  # fmt: skip
        bound = threshold(samples, kind)
        w, bias = fit(samples, np.arange(len(samples.labels)))
        scale = float(np.abs(w).max()) / 127
        body += np.round(w / scale).astype(np.int8).tobytes()
        size, step = WINDOW[kind]
        described.append({"kind": kind.value, "scale": scale, "bias": bias, "threshold": bound,
                          "window": size, "step": step})  # fmt: skip
        print(f"{kind}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    given.out.write_bytes(json.dumps({"heads": described}).encode() + b"\n" + body)


if __name__ == "__main__":
    main()
