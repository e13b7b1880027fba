"""Bills of materials for tests: one with everything, and a strategy for any."""

from hypothesis import strategies as st

from tidegate.core.clock import SECOND, Micros
from tidegate.core.digest import Digest, sha256
from tidegate.interop.bom import (
    Assessment,
    Attestation,
    Bom,
    CodePart,
    Considerations,
    DataPart,
    ImagePart,
    Justification,
    Metric,
    ModelPart,
    Package,
    SourceModel,
    State,
    Step,
)

TIME = Micros(1_760_000_000_000_000)
FULL = Bom(
    model=ModelPart(
        "credit",
        "3",
        (sha256(b"m"), Digest("blake3", "ab" * 32)),
        files={"a/model.joblib": sha256(b"f")},
        description="Scores applications",
        owner="Risk",
        licence="Apache-2.0 OR MIT",
        task="classification",
        family="trees",
        architecture="RandomForestClassifier",
        approach="supervised",
        metrics=(Metric("accuracy", "0.9", "0.8", "0.95", "all"), Metric("gap", "0.01")),
        considerations=Considerations(
            ("people",), ("work",), ("age",), ("speed",), (("a", "b"),), (("c", "d"),)
        ),
        index=3,
        url="https://models.example/credit",
    ),
    made_at=TIME,
    data=(
        DataPart(
            "loans", sha256(b"d"), "training", 1, "internal", "Data", "CC0-1.0",
            "https://data.example/loans", TIME,
        ),
    ),
    code=CodePart("f" * 40, "https://git.example/x", sha256(b"tree")),
    packages=(
        Package.pypi("numpy", "2.4.6", "BSD-3-Clause", archives=(sha256(b"whl"),)),
        Package.pypi("oldlib", "1.0", licence_name="MIT License"),
    ),
    tool="0.1.0",
    sources=(
        SourceModel("base", version="1", hashes=(sha256(b"b"),), licence="MIT", owner="Lab",
                    url="https://models.example/base", released_at=TIME),
        SourceModel("lora", "adapter", "2", (sha256(b"l"),), "MIT", "Lab",
                    "https://models.example/lora", TIME),
    ),
    images=(ImagePart("registry.example/train", sha256(b"i"), "1"),),
    attestations=(Attestation("train", sha256(b"envelope"), 8),),
    steps=(
        Step("prepare", (sha256(b"d"),), (sha256(b"p"),), 5, TIME),
        Step("train", (sha256(b"p"),), (sha256(b"m"),), 8, TIME),
    ),
    assessments=(
        Assessment(
            "CVE-2026-0001", State.NOT_AFFECTED, ("pkg:pypi/numpy@2.4.6",),
            Justification.CODE_NOT_REACHABLE, "we load no pickles", ("update",), "OSV",
            "https://osv.example/1", "a flaw", TIME,
        ),
    ),
)  # fmt: skip
"""A model with every kind of part, and every field of each."""

_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_maybe = st.none() | _text
_digests = st.binary(max_size=2).map(sha256) | st.binary(min_size=32, max_size=32).map(
    lambda raw: Digest("blake3", raw.hex())
)
_hashes = st.lists(_digests, max_size=2, unique=True).map(tuple)
_index = st.none() | st.integers(0, 10**12)
_texts = st.lists(_text, max_size=2).map(tuple)
_pairs = st.lists(st.tuples(_text, _text), max_size=2).map(tuple)
_seconds = st.integers(0, 4_000_000_000).map(lambda at: Micros(at * SECOND))
_stages = st.sampled_from(["ingest", "prepare", "train", "validate", "x-9"])
_kinds = st.sampled_from(["library", "framework", "operating-system", "cryptographic-asset"])


def _packages() -> st.SearchStrategy[Package]:
    spdx = st.tuples(_maybe, st.none())
    return st.builds(
        lambda licence, **fields: Package(licence=licence[0], licence_name=licence[1], **fields),
        licence=spdx | st.tuples(st.none(), _text),
        name=_text,
        version=st.just("") | _text,
        archives=_hashes,
        purl=_maybe,
        kind=_kinds,
        hashes=_hashes,
        group=_maybe,
        owner=_maybe,
    )


_considerations = st.builds(
    Considerations, users=_texts, use_cases=_texts, limitations=_texts, tradeoffs=_texts,
    ethics=_pairs, fairness=_pairs,
)  # fmt: skip
_models = st.builds(
    ModelPart, name=_text, version=_text, hashes=_hashes,
    files=st.dictionaries(_text, _digests, max_size=3), description=_maybe, owner=_maybe,
    licence=_maybe, task=_maybe, family=_maybe, architecture=_maybe, approach=_maybe,
    metrics=st.lists(
        st.builds(Metric, name=_text, value=_text, low=_maybe, high=_maybe, part=_maybe), max_size=3
    ).map(tuple),
    considerations=_considerations, index=_index,
    kind=st.sampled_from(["machine-learning-model", "application", "firmware", "platform"]),
    purl=_maybe, licence_name=st.none(), url=_maybe,
)  # fmt: skip


def _assessments() -> st.SearchStrategy[Assessment]:
    return st.builds(
        Assessment, id=_text, state=st.sampled_from(State),
        affects=st.lists(_text, unique=True).map(tuple),
        justification=st.none() | st.sampled_from(Justification), detail=_text, responses=_texts,
        source=_maybe, url=_maybe, description=_maybe, at=st.none() | _seconds,
    )  # fmt: skip


@st.composite
def boms(draw: st.DrawFn) -> Bom:
    """Any bill of materials whose time is whole seconds."""
    model = draw(st.none() | _models)
    data = st.builds(
        DataPart, name=_text, digest=st.none() | _digests,
        role=st.sampled_from(["training", "validation", "test", "data", "odd"]), index=_index,
        label=st.none() | st.sampled_from(["public", "internal", "restricted", "own"]),
        owner=_maybe, licence=_maybe, source=_maybe, built_at=st.none() | _seconds,
    )  # fmt: skip
    sources = st.builds(
        SourceModel, name=_text, relation=st.sampled_from(["base", "adapter", "odd"]),
        version=_maybe, hashes=_hashes, licence=_maybe, owner=_maybe, url=_maybe,
        released_at=st.none() | _seconds,
    )  # fmt: skip
    steps = st.builds(Step, _stages, _hashes, _hashes, _index, st.none() | _seconds)
    code = st.builds(CodePart, _maybe, _maybe, st.none() | _digests).filter(
        lambda part: part != CodePart()
    )
    signed = st.builds(Attestation, _stages, _digests, _index)
    bom = Bom(
        model=model,
        made_at=draw(_seconds),
        data=tuple(draw(st.lists(data, max_size=3))),
        code=draw(st.none() | code) if model else None,
        packages=tuple(draw(st.lists(_packages(), max_size=3))),
        tool=draw(_text),
        sources=tuple(draw(st.lists(sources, max_size=2))) if model else (),
        images=tuple(
            draw(st.lists(st.builds(ImagePart, _text, st.none() | _digests, _maybe), max_size=2))
        ),
        attestations=tuple(draw(st.lists(signed, max_size=2))) if model else (),
        steps=tuple(draw(st.lists(steps, max_size=2))),
        assessments=tuple(draw(st.lists(_assessments(), max_size=2))),
    )
    return bom.ordered()
