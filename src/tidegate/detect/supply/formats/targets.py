"""Judges names that a configuration asks to import and call: Hydra's ``_target_`` and its kin.

The loader calls the name with arguments that the file chose, so the list is of constructors that
keep to numbers, and each name is listed whole. What is not listed is a finding.
"""

import re
from collections.abc import Mapping
from typing import Final

from tidegate.core.canonical import Json
from tidegate.core.finding import Severity
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.rules import is_executor
from tidegate.detect.supply.scan import Scan

_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_KEYS: Final = ("_target_", "_component_", "class_path")
_BESIDE_TARGET: Final = ("params", "init_args", "kwargs", "nemo_version", "preprocessor")
"""Keys that make a plain ``target`` one that is instantiated (latent diffusion, NeMo)."""
OBJECT_KEYS: Final = frozenset((*_KEYS, "target", "type"))
"""Keys that :func:`examine_object` looks at."""
_ALLOWED: Final = words("""
    torch.nn.Identity torch.nn.Linear torch.nn.Conv1d torch.nn.Conv2d torch.nn.Conv3d
    torch.nn.ReLU torch.nn.GELU torch.nn.SiLU torch.nn.ELU torch.nn.Tanh torch.nn.Sigmoid
    torch.nn.LeakyReLU torch.nn.Softmax torch.nn.Dropout torch.nn.LayerNorm torch.nn.BatchNorm1d
    torch.nn.BatchNorm2d torch.nn.GroupNorm torch.nn.Embedding torch.nn.LSTM torch.nn.GRU
    torch.nn.MSELoss torch.nn.L1Loss torch.nn.CrossEntropyLoss torch.nn.BCEWithLogitsLoss
    torch.nn.CTCLoss torch.optim.SGD torch.optim.Adam torch.optim.AdamW torch.optim.RMSprop
    torch.optim.lr_scheduler.StepLR torch.optim.lr_scheduler.CosineAnnealingLR
    torch.optim.lr_scheduler.ReduceLROnPlateau torch.optim.lr_scheduler.ExponentialLR
""")
_NEMO: Final = words("""
    asr.modules.AudioToMelSpectrogramPreprocessor asr.modules.AudioToMFCCPreprocessor
    asr.modules.SpectrogramAugmentation asr.modules.CropOrPadSpectrogramAugmentation
    asr.modules.ConvASREncoder asr.modules.ConvASRDecoder asr.modules.ConvASRDecoderClassification
    asr.modules.ConformerEncoder asr.modules.SqueezeformerEncoder asr.modules.ECAPAEncoder
    asr.modules.RNNTDecoder asr.modules.RNNTJoint asr.modules.StatelessTransducerDecoder
    asr.modules.LSTMDecoder asr.modules.RNNEncoder asr.modules.SpeakerDecoder
    asr.modules.ParallelConvASREncoder asr.modules.SampledRNNTJoint
    asr.models.EncDecCTCModel asr.models.EncDecCTCModelBPE asr.models.EncDecRNNTModel
    asr.models.EncDecRNNTBPEModel asr.models.EncDecClassificationModel
    asr.models.EncDecSpeakerLabelModel asr.models.ctc_models.EncDecCTCModel
    asr.models.ctc_bpe_models.EncDecCTCModelBPE asr.models.rnnt_models.EncDecRNNTModel
    asr.models.rnnt_bpe_models.EncDecRNNTBPEModel
    asr.models.aed_multitask_models.EncDecMultiTaskModel
    asr.models.hybrid_rnnt_ctc_models.EncDecHybridRNNTCTCModel
    asr.models.hybrid_rnnt_ctc_bpe_models.EncDecHybridRNNTCTCBPEModel
    asr.models.label_models.EncDecSpeakerLabelModel
    asr.models.classification_models.EncDecClassificationModel
    tts.models.FastPitchModel tts.models.fastpitch.FastPitchModel tts.models.HifiGanModel
    tts.models.hifigan.HifiGanModel tts.models.tacotron2.Tacotron2Model
    tts.modules.fastpitch.FastPitchModule tts.modules.transformer.FFTransformerEncoder
    tts.modules.transformer.FFTransformerDecoder tts.modules.fastpitch.TemporalPredictor
    tts.modules.aligner.AlignmentEncoder tts.modules.hifigan_modules.Generator
""")
_SENTENCE: Final = words("""
    Transformer Pooling Normalize Dense Dropout LayerNorm LSTM CNN BoW WordEmbeddings
    WeightedLayerPooling WordWeights CLIPModel Asym Router StaticEmbedding
""")


def allowed(name: str) -> bool:
    """Tell whether a name may be called with whatever arguments.

    >>> allowed("torch.nn.Linear"), allowed("torch.load"), allowed("os.system")
    (True, False, False)
    """
    if name in _ALLOWED:
        return True
    if name.startswith("nemo.collections."):
        return name.removeprefix("nemo.collections.") in _NEMO
    prefix, _, last = name.rpartition(".")
    return prefix == "sentence_transformers.models" and last in _SENTENCE


def judge(name: str, how: str, scan: Scan) -> None:
    """Report a name that is not allowed.

    Args:
        name: Dotted.
        how: What names it: ``_target_``, a YAML tag.
        scan: Where findings go.
    """
    if allowed(name):
        return
    module, _, last = name.rpartition(".")
    shown = printable(name)
    scan.find(
        "config-target",
        f"{how} names {shown}, which no list allows",
        severity=Severity.CRITICAL if is_executor(module or "builtins", last) else None,
        about=name,
        evidence={"global": shown},
    )


def examine_object(item: Mapping[str, Json], scan: Scan) -> None:
    """Examine one object of a configuration."""
    for key in _KEYS:
        value = item.get(key)
        if isinstance(value, str) and value:
            judge(value, key, scan)
    target = item.get("target")
    beside = any(key in item for key in _BESIDE_TARGET)
    if beside and isinstance(target, str) and _DOTTED.fullmatch(target):
        judge(target, "target", scan)
    kind = item.get("type")
    if isinstance(kind, str) and "idx" in item and "path" in item and _DOTTED.fullmatch(kind):
        judge(kind, "type", scan)
