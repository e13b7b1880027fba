"""Examines TorchScript: code that PyTorch's own interpreter runs, not Python.

The language reaches nothing but operators, so operators are what is judged. Those of PyTorch's own
namespaces compute, but for a handful that reach files, other machines or Python; operators and
classes of other namespaces live in a native library that nobody vetted.
"""

import re
from typing import Final

from tidegate.detect.supply.allow.packs import Allowlist, Entry, Use
from tidegate.detect.supply.formats.word_set import printable, words
from tidegate.detect.supply.pickles.cursor import Buffer
from tidegate.detect.supply.scan import Scan

_LIMIT: Final = 1 << 23
OWN_NAMESPACES: Final = words("""
    aten prim prims quantized quantized_decomposed prepacked mkldnn mkldnn_prepacked _quantized
    sparse inductor higher_order static_runtime onednn xnnpack metal vulkan_prepack _c10d_functional
    c10d_functional
""")
_VISION: Final = words("""
    torchvision.nms torchvision.roi_align torchvision.roi_pool torchvision.ps_roi_align
    torchvision.ps_roi_pool torchvision.deform_conv2d
""")
_REACHING: Final = words("""
    save load from_file _save _load open fopen read_file write_file PythonOp IgnoredPythonOp
    rpc_async rpc_sync rpc_remote load_library _pickle_load_obj _pickle_save hub
""")
"""Operators of PyTorch's own namespaces that reach files, other machines or Python."""
_OWN_CLASSES: Final = words("""
    quantized.LinearPackedParamsBase quantized.Conv2dPackedParamsBase
    quantized.Conv3dPackedParamsBase quantized.EmbeddingPackedParamsBase
    sparse.LinearPackedParamsBase xnnpack.LinearOpContext xnnpack.Conv2dOpContext
    xnnpack.TransposeConv2dOpContext rnn.CellParamsBase
""")
_OPS: Final = re.compile(r"\bops\.(\w+)\.(\w+)")
_TORCH: Final = re.compile(r"\btorch\.(\w+)")
_BARE: Final = re.compile(r"\b(rpc_async|rpc_sync|rpc_remote)\s*\(")
_DOT: Final = re.compile(r"[\s\\]*\.[\s\\]*")
_UNUSUAL: Final = ("#", '"""', "'''", "\\\n")
_NATIVE: Final = re.compile(r"\b__torch__\.torch\.classes\.(\w+(?:\.\w+)*)")
_CLASS: Final = re.compile(r"^class (\w+)\s*\(", re.MULTILINE)
_FOREIGN: Final = re.compile(
    r"^[ \t]*(?:import |from [\w.]+ import |exec\b|@)|__import__", re.MULTILINE
)
_STRINGS: Final = re.compile(
    r'#[^\n]*|"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'',
    re.DOTALL,
)
_QUALIFIED: Final = re.compile(rb"\b([A-Za-z_]\w*)::(\w+)")
_MARK: Final = b"code/"
_WHY: Final = "a class of the archive's own TorchScript code; PyTorch's interpreter makes it"
_BUILDERS: Final = {
    "torch.jit._pickle:build_intlist": (("list",),),
    "torch.jit._pickle:build_doublelist": (("list",),),
    "torch.jit._pickle:build_boollist": (("list",),),
    "torch.jit._pickle:build_tensorlist": (("list",),),
    "torch.jit._pickle:build_tensor_from_id": (("int",),),
    "torch.jit._pickle:restore_type_tag": (("data", "str"),),
}


class ScriptAllowlist(Allowlist):
    """What the pickles of a TorchScript archive may use: the packs, and the archive's classes.

    Args:
        base: The allowlist of the scan.
        classes: Classes that the archive's code defines: ``__torch__.a:Net``.
    """

    def __init__(self, base: Allowlist, classes: frozenset[str]) -> None:
        super().__init__(())
        self.packs = base.packs
        self._base = base
        native = {f"__torch__.torch.classes.{_split(name)}" for name in _OWN_CLASSES}
        self._own = classes | native

    def get(self, name: str) -> Entry | None:
        """Return the entry for a global."""
        if name in self._own:
            return Entry(name, frozenset({Use.DATA, Use.NEW, Use.BUILD}), _WHY)
        if name in _BUILDERS:
            args = _BUILDERS[name]
            return Entry(
                name, frozenset({Use.REDUCE}), "builds a typed list", args, "builtins:list"
            )
        return self._base.get(name)

    def permits(self, name: str, use: Use) -> bool:
        """Tell whether a use of a global is listed."""
        entry = self.get(name)
        return entry is not None and use in entry.uses


def _split(name: str) -> str:
    module, _, last = name.rpartition(".")
    return f"{module}:{last}"


def examine_code(name: bytes, body: Buffer, scan: Scan) -> set[str] | None:
    """Examine a source member, and return the classes that it defines.

    Returns:
        ``None`` where it is no TorchScript; then it is to be examined as any text.
    """
    at = name.find(_MARK)
    if at < 0 or len(body) > _LIMIT:
        return None
    try:
        text = body[:].decode()
    except UnicodeDecodeError:
        return None
    code = _DOT.sub(".", _STRINGS.sub(_emptied, text))
    if _FOREIGN.search(code):
        return None
    _judge(code, text, scan)
    if any(mark in text for mark in _UNUSUAL):
        # PyTorch writes none of these, so two lexers may differ: nothing is passed over.
        _judge(_DOT.sub(".", text), text, scan)
    module = name[at + len(_MARK) :].removesuffix(b".py").decode("utf-8", "replace")
    return {f"{module.replace('/', '.')}:{found[1]}" for found in _CLASS.finditer(code)}


def _emptied(found: "re.Match[str]") -> str:
    return "" if found[0].startswith("#") else '""'


def _judge(code: str, text: str, scan: Scan) -> None:
    """Report what code uses beyond tensors; offsets are those of the text that it came from."""
    for found in _OPS.finditer(code):
        _operator(found[1], found[2], text.find(found[2]), scan)
    for found in (*_TORCH.finditer(code), *_BARE.finditer(code)):
        _operator("aten", found[1], text.find(found[1]), scan)
    for found in _NATIVE.finditer(code):
        if found[1] not in _OWN_CLASSES:
            scan.find(
                "torchscript-operator",
                f"uses the native class {printable(found[1], 80)}, which no pack allows",
                text.find(found[1]),
                about=found[1],
            )


def examine_operators(body: Buffer, scan: Scan) -> None:
    """Examine the operators that a bytecode member names: mobile interpreters run it."""
    for at in range(0, len(body), _LIMIT):
        for found in _QUALIFIED.finditer(body[at : at + _LIMIT + 200]):
            _operator(found[1].decode(), found[2].decode(), at + found.start(), scan)


def _operator(namespace: str, name: str, at: int, scan: Scan) -> None:
    why = judge_operator(namespace, name)
    if why:
        full = f"{namespace}::{name}"
        scan.find("torchscript-operator", f"uses {printable(full, 80)}, {why}", at, about=full)


def judge_operator(namespace: str, name: str) -> str | None:
    """Say in a few words why an operator is not accepted; ``None`` where it is.

    >>> judge_operator("aten", "relu"), judge_operator("aten", "from_file")
    (None, 'which reaches beyond tensors')
    """
    if name in _REACHING:
        return "which reaches beyond tensors"
    if namespace in OWN_NAMESPACES or f"{namespace}.{name}" in _VISION:
        return None
    return "an operator of a library that no pack allows"
