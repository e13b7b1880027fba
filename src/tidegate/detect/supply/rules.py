"""The rules of the model-file scanner, and the names that make a finding critical."""

from typing import Final

from tidegate.core.finding import Rule, Severity
from tidegate.detect.supply.formats.word_set import words

_ATLAS = ("AML.T0011.000", "AML.T0018.002", "AML.T0010.003")
_OWASP = ("LLM03:2025", "ML06:2023")

_REPLACE = "Ask the producer for safetensors or skops, or for a file without this."
_APPROVE = (
    "Convert to a format without code; or read the class's source and run `tidegate scan approve`."
)
_REBUILD = "Write the file anew with the framework's own save call, from a source that you trust."


def _rule(slug: str, title: str, severity: Severity, risk: str, fix: str) -> Rule:
    return Rule(f"TG-REG-03/{slug}", title, severity, risk, fix, _ATLAS, _OWASP)


RULES: Final[tuple[Rule, ...]] = (
    _rule(
        "pickle-call",
        "call of a callable that no pack allows",
        Severity.HIGH,
        "Loading the file calls it with arguments that the file chose: arbitrary code can run.",
        _REPLACE,
    ),
    _rule(
        "pickle-arguments",
        "listed callable with arguments of an unlisted shape",
        Severity.HIGH,
        "A harmless callable can be turned into a gadget by what it is handed.",
        _REBUILD,
    ),
    _rule(
        "pickle-new",
        "instance of a class that no pack allows",
        Severity.MEDIUM,
        "The class's module is imported and its __new__ runs when the file is loaded.",
        _APPROVE,
    ),
    _rule(
        "pickle-build",
        "state for an object whose class no pack allows",
        Severity.MEDIUM,
        "The class's __setstate__ runs on data that the file chose.",
        _APPROVE,
    ),
    _rule(
        "pickle-reference",
        "reference to a global that no pack allows",
        Severity.MEDIUM,
        "Its module is imported, and the loaded object may call it later.",
        _APPROVE,
    ),
    _rule(
        "pickle-mutates-global",
        "state written into an imported class or module",
        Severity.CRITICAL,
        "Attributes of a shared global are replaced for the whole process.",
        _REPLACE,
    ),
    _rule(
        "pickle-dunder-state",
        "state with a double-underscore or computed key",
        Severity.HIGH,
        "Special attributes change what an object is and what its methods do.",
        _REBUILD,
    ),
    _rule(
        "pickle-indirect-call",
        "call of something that is no named global",
        Severity.HIGH,
        "What is called was computed while loading, so no list can vouch for it.",
        _REPLACE,
    ),
    _rule(
        "pickle-computed-name",
        "imported name that is computed while loading",
        Severity.HIGH,
        "The name of what is imported is hidden from every reader of the file.",
        _REPLACE,
    ),
    _rule(
        "pickle-extension",
        "extension registry code",
        Severity.HIGH,
        "What it stands for depends on the loading process; it can be any global.",
        _REBUILD,
    ),
    _rule(
        "pickle-persistent-id",
        "persistent id of an unknown kind",
        Severity.MEDIUM,
        "The loader resolves it by rules of its own that the file can abuse.",
        _REBUILD,
    ),
    _rule(
        "pickle-memo",
        "abuse of the memo",
        Severity.MEDIUM,
        "No pickler writes this; it serves to confuse readers or to exhaust memory.",
        _REBUILD,
    ),
    _rule(
        "pickle-frame",
        "frames that unpicklers read differently",
        Severity.MEDIUM,
        "The C and the Python unpickler would build different objects.",
        _REBUILD,
    ),
    _rule(
        "pickle-trailing-bytes",
        "bytes after the last pickle",
        Severity.MEDIUM,
        "Data that this loader ignores and another program may not.",
        _REBUILD,
    ),
    _rule(
        "pickle-embedded",
        "unsafe pickle inside a string or bytes",
        Severity.MEDIUM,
        "A second stage that waits for someone to unpickle it.",
        _REPLACE,
    ),
    _rule(
        "loader-ambiguity",
        "content that another loader would execute",
        Severity.HIGH,
        "The file is valid in one format and carries instructions in another.",
        _REBUILD,
    ),
    _rule(
        "archive-disagreement",
        "archive whose headers contradict each other",
        Severity.HIGH,
        "Two programs that open it would see different content.",
        _REBUILD,
    ),
    _rule(
        "archive-integrity",
        "archive member with a wrong checksum or size",
        Severity.MEDIUM,
        "A strict reader stops here, a lenient one reads on.",
        _REBUILD,
    ),
    _rule(
        "archive-encrypted",
        "encrypted archive member",
        Severity.MEDIUM,
        "Its content can't be examined.",
        "Ask for the file without encryption.",
    ),
    _rule(
        "archive-duplicate",
        "two archive members of one name",
        Severity.MEDIUM,
        "Which of them is used depends on the program.",
        _REBUILD,
    ),
    _rule(
        "archive-slip",
        "archive member that would be written outside its folder",
        Severity.HIGH,
        "Extraction can overwrite files of the host.",
        _REPLACE,
    ),
    _rule(
        "archive-link",
        "link or special file in an archive",
        Severity.HIGH,
        "Extraction can be led out of its folder.",
        _REPLACE,
    ),
    _rule(
        "archive-bomb",
        "archive that expands out of proportion",
        Severity.HIGH,
        "Opening it exhausts memory or disk.",
        _REPLACE,
    ),
    _rule(
        "header-malformed",
        "header that breaks its format's rules",
        Severity.MEDIUM,
        "Offsets out of bounds or overlapping lead readers to foreign memory or hide data.",
        _REBUILD,
    ),
    _rule(
        "trailing-data",
        "data that the format does not account for",
        Severity.MEDIUM,
        "Room for a payload that this loader ignores.",
        _REBUILD,
    ),
    _rule(
        "metadata-content",
        "code, link or secret in metadata",
        Severity.MEDIUM,
        "Metadata is shown, logged and sometimes followed or evaluated.",
        "Remove it from the file, and rotate the secret if it is one.",
    ),
    _rule(
        "template-code",
        "template that reaches beyond text",
        Severity.HIGH,
        "Chat templates are rendered by the serving process; this one can run code there.",
        "Use the template of the base model, or one that only loops over messages.",
    ),
    _rule(
        "config-code",
        "configuration that names code to load",
        Severity.HIGH,
        "The loader would import and run code that comes with the model.",
        "Remove the entry, or vet and pin the code and approve it.",
    ),
    _rule(
        "torchscript-operator",
        "operator or class that no pack allows, in a TorchScript or export archive",
        Severity.HIGH,
        "PyTorch's interpreter calls it with arguments that the file chose; it can reach files.",
        "Export the model anew without it, or vet the library that brings it.",
    ),
    _rule(
        "config-target",
        "configuration that names what to instantiate",
        Severity.HIGH,
        "Hydra, OmegaConf and like loaders import the name and call it with the file's arguments.",
        _APPROVE,
    ),
    _rule(
        "config-reference",
        "configuration that points outside the model's own files",
        Severity.MEDIUM,
        "What is loaded from there was neither examined nor signed with the model.",
        "Name a file of the model, or pin what it refers to and admit that.",
    ),
    _rule(
        "xml-entity",
        "XML with a document type, entities or inclusion",
        Severity.HIGH,
        "Entities read files and addresses of the host, or expand until memory is gone.",
        "Write the document without DOCTYPE; PMML needs none.",
    ),
    _rule(
        "skops-type",
        "skops node of a type that no pack allows",
        Severity.MEDIUM,
        "The loader imports it, and makes an instance or keeps it to be called.",
        _APPROVE,
    ),
    _rule(
        "blob-digest",
        "blob whose content is not what its digest says",
        Severity.CRITICAL,
        "It was swapped or damaged after the manifest was written.",
        "Fetch the image again, by its digest.",
    ),
    _rule(
        "graph-operator",
        "graph operator that runs code, or reaches files or the network",
        Severity.HIGH,
        "The runtime carries it out with arguments that the file chose, some of them on loading.",
        "Export the model anew without it; keep reading, writing and Python out of the graph.",
    ),
    _rule(
        "custom-code",
        "operator, layer or class whose code is not in the file",
        Severity.MEDIUM,
        "Whoever loads the model must bring a library that was not examined or signed with it.",
        _APPROVE,
    ),
    _rule(
        "external-data",
        "data that is read from a file or address outside of the model",
        Severity.HIGH,
        "Loading reads a file of the host, or whatever lies at the address then.",
        "Put the data into the model's own folder, and name it without a path.",
    ),
    _rule(
        "program",
        "program among model files",
        Severity.HIGH,
        "A model needs no executable.",
        "Remove it, or ship it as code through its own gate.",
    ),
)
"""Everything that the scanner can find."""

_SEVERITY = {rule.id.partition("/")[2]: rule.severity for rule in RULES}


def severity_of(slug: str) -> Severity:
    """Return a rule's default severity."""
    return _SEVERITY[slug]


_EXECUTORS: Final = words("""
    __main__ _aix_support _io _osx_support _pickle _posixsubprocess _pyrepl _winapi aiohttp asyncio
    bdb cProfile cgitb cloudpickle code codeop commands concurrent ctypes dill distutils doctest
    ensurepip ftplib functools gc http httplib idlelib imaplib importlib inspect io lib2to3
    linecache logging marshal mlflow multiprocessing nt numpy.f2py numpy.testing operator os
    pathlib pdb pickle pip pipes pkgutil platform poplib popen2 posix profile pty pydoc requests
    runpy sched setuptools shelve shutil signal site smtplib socket ssl subprocess sys sysconfig
    tarfile telnetlib tempfile test threading timeit torch.hub torch.jit torch.serialization
    torch.utils.bottleneck torch.utils.collect_env trace types unittest urllib urllib2 venv weakref
    webbrowser xmlrpc zipfile zipimport
""")
_BUILTINS: Final = words("""
    __import__ apply breakpoint compile delattr eval exec execfile exit getattr globals input
    locals memoryview open quit reload setattr vars
""")


def is_executor(module: str, name: str) -> bool:
    """Tell whether a global is known to run code, reach files or the network.

    It only raises the severity and the wording: what is unlisted is denied anyway.

    >>> is_executor("os.path", "join"), is_executor("sklearn.svm", "SVC")
    (True, False)
    """
    if module == "builtins":
        return name.partition(".")[0] in _BUILTINS
    parts = module.split(".")
    return any(".".join(parts[: i + 1]) in _EXECUTORS for i in range(len(parts)))
