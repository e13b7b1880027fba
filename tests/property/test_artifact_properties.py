"""Claims about every artifact: whatever the tree, the table, or the byte that is changed."""

import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as papq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tidegate.core import merkle
from tidegate.core.artifact.hashing import hash_file
from tidegate.core.artifact.manifest import Manifest, ManifestEntry, build_manifest, verify
from tidegate.core.digest import Digest
from tidegate.core.errors import ProofError, SubjectError, VerificationError
from tidegate.tables.chunks import ChunkManifest, build_chunks
from tidegate.tables.digest import TableDigest, digest_table
from tidegate.tables.rowset import RowSet
from tidegate.tables.schema import Column, TableSchema
from tidegate.tables.text import GRAMMAR, arrow_type, parse

quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

hexes = st.binary(min_size=32, max_size=32).map(bytes.hex)
names = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters="/."), min_size=1, max_size=8
)
entries = st.builds(
    ManifestEntry,
    path=st.lists(names, min_size=1, max_size=3).map("/".join),
    sha256=hexes,
    blake3=hexes,
    size=st.integers(0, 2**50),
)
manifests = st.lists(entries, max_size=5, unique_by=lambda e: e.path).map(
    lambda found: Manifest(tuple(sorted(found, key=lambda e: e.path)))
)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


class TestManifests:
    @quick
    @given(manifests)
    def test_json_round_trip(self, manifest: Manifest) -> None:
        again = Manifest.from_bytes(manifest.to_bytes())
        assert again == manifest
        assert again.digest == manifest.digest

    @quick
    @given(manifests, st.data())
    def test_no_changed_byte_passes_for_the_same_manifest(
        self, manifest: Manifest, data: st.DataObject
    ) -> None:
        raw = bytearray(manifest.to_bytes())
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
        try:
            other = Manifest.from_bytes(bytes(raw))
        except VerificationError:
            return
        assert other.digest != manifest.digest

    @quick
    @given(st.binary(max_size=300))
    def test_bytes_of_any_kind_are_read_or_refused(self, raw: bytes) -> None:
        with pytest.raises(VerificationError):
            Manifest.from_bytes(raw)
        with pytest.raises(VerificationError):
            ChunkManifest.from_bytes(raw)

    @quick
    @given(
        st.dictionaries(
            st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=3).map(
                lambda parts: "d/" * (len(parts) - 1) + "".join(parts)
            ),
            st.binary(min_size=1, max_size=40),
            min_size=1,
            max_size=5,
        ),
        st.data(),
    )
    def test_any_changed_byte_of_any_file_is_named(
        self, files: dict[str, bytes], data: st.DataObject
    ) -> None:
        with folder() as root:
            for name, content in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)
            before = build_manifest(root)
            assert [entry.path for entry in before.entries] == sorted(files)
            name = data.draw(st.sampled_from(sorted(files)))
            changed = bytearray(files[name])
            changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
            (root / name).write_bytes(changed)
            assert build_manifest(root).digest != before.digest
            assert [item.path for item in verify(before, root)] == [name]

    @quick
    @given(st.binary(max_size=200), st.integers(1, 50), st.data())
    def test_exactly_the_chunk_of_a_changed_byte_is_named(
        self, content: bytes, size: int, data: st.DataObject
    ) -> None:
        with folder() as root:
            (root / "f").write_bytes(content)
            manifest = build_chunks(root / "f", chunk_size=size)
            assert ChunkManifest.from_bytes(manifest.to_bytes()) == manifest
            assert manifest.verify(root / "f") == []
            assume(content)
            at = data.draw(st.integers(0, len(content) - 1))
            changed = bytearray(content)
            changed[at] ^= 1
            (root / "f").write_bytes(changed)
            assert [bad.index for bad in manifest.verify(root / "f")] == [at // size]
            assert manifest.verify(root / "f", start=at, stop=at + 1) != []


class TestMerkle:
    @quick
    @given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
    def test_a_path_proves_its_leaf_and_no_other(
        self, parts: list[bytes], data: st.DataObject
    ) -> None:
        leaves = [merkle.leaf_hash(part) for part in parts]
        root = merkle.root(leaves)
        index = data.draw(st.integers(0, len(leaves) - 1))
        path = list(merkle.path(leaves, index))
        assert merkle.root_from(leaves[index], index, len(leaves), path) == root
        assert merkle.root_from(merkle.leaf_hash(b"other"), index, len(leaves), path) != root
        if path:
            at = data.draw(st.integers(0, len(path) - 1))
            path[at] = bytes(32)
            assert merkle.root_from(leaves[index], index, len(leaves), path) != root
        with pytest.raises(ProofError):
            merkle.root_from(leaves[index], index, len(leaves), [*path, bytes(32)])


SCHEMA = TableSchema(
    (
        Column("b", "bool"),
        Column("d", "date"),
        Column("f", "float64"),
        Column("i", "int64"),
        Column("m", "decimal(20,3)"),
        Column("r", "string", nullable=False),
        Column("s", "string"),
        Column("t", "timestamp_us"),
        Column("x", "binary"),
    ),
    null="NULL",
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
instants = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(  # noqa: DTZ001 - made UTC below
    lambda moment: moment.replace(tzinfo=UTC)
)
rows = st.fixed_dictionaries(
    {
        "b": st.none() | st.booleans(),
        "d": st.none() | st.dates(),
        "f": st.none() | st.floats(),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "m": st.none() | st.decimals(-(10**16), 10**16, places=3, allow_nan=False),
        "r": texts,
        "s": st.none() | texts,
        "t": st.none() | instants,
        "x": st.none() | st.binary(max_size=6),
    }
)
tables = st.lists(rows, max_size=8)
codecs = st.sampled_from(["none", "snappy", "gzip", "zstd", "brotli", "lz4"])


def text_of(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else str(value)


def write_csv(path: Path, table: list[dict[str, Any]], order: list[str]) -> Path:
    """Text is always quoted, null is the bare token: so no text reads as null."""

    def quoted(value: Any) -> str:
        return "NULL" if value is None else '"' + text_of(value).replace('"', '""') + '"'

    lines = [",".join(order), *(",".join(quoted(row[c]) for c in order) for row in table)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return path


def write_jsonl(path: Path, table: list[dict[str, Any]]) -> Path:
    def native(value: Any) -> Any:
        return (
            value
            if value is None or isinstance(value, bool | int | float | str)
            else text_of(value)
        )

    lines = [json.dumps({k: native(v) for k, v in row.items()}) + "\n" for row in table]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_parquet(path: Path, table: list[dict[str, Any]], **options: Any) -> Path:
    columns = {
        c.name: pa.array([row[c.name] for row in table], arrow_type(c)) for c in SCHEMA.columns
    }
    papq.write_table(pa.table(columns), path, **options)
    return path


def digest(table: list[dict[str, Any]]) -> TableDigest:
    with folder() as root:
        return digest_table(write_parquet(root / "t.parquet", table), SCHEMA)


class TestTables:
    @quick
    @given(tables, codecs, st.integers(1, 9), st.booleans(), st.permutations("bdfimrstx"))
    def test_one_table_has_one_digest_in_every_format(
        self,
        table: list[dict[str, Any]],
        codec: str,
        group: int,
        dictionary: bool,  # noqa: FBT001 - drawn
        order: list[str],
    ) -> None:
        wanted = digest(table)
        with folder() as root:
            parquet = write_parquet(
                root / "u.parquet",
                table,
                compression=codec,
                row_group_size=group,
                use_dictionary=dictionary,
            )
            assert digest_table(parquet, SCHEMA) == wanted
            assert digest_table(write_csv(root / "t.csv", table, order), SCHEMA) == wanted
            # JSON has no infinities; Arrow reads NaN.
            assume(not any(row["f"] is not None and math.isinf(row["f"]) for row in table))
            assert digest_table(write_jsonl(root / "t.jsonl", table), SCHEMA) == wanted

    @quick
    @given(tables, st.randoms())
    def test_the_set_digest_ignores_order_alone(
        self, table: list[dict[str, Any]], random: Any
    ) -> None:
        other = table[:]
        random.shuffle(other)
        assert digest(other).rows_set == digest(table).rows_set

    @quick
    @given(st.lists(rows, min_size=1, max_size=6), st.data())
    def test_a_changed_cell_changes_both_digests(
        self, table: list[dict[str, Any]], data: st.DataObject
    ) -> None:
        at = data.draw(st.integers(0, len(table) - 1))
        name = data.draw(st.sampled_from("bdfimrstx"))
        other = data.draw(rows)[name]
        assume(not same_value(other, table[at][name]))
        changed = [*table[:at], table[at] | {name: other}, *table[at + 1 :]]
        before, after = digest(table), digest(changed)
        assert after.content != before.content
        assert after.rows_set != before.rows_set

    @quick
    @given(st.lists(rows, min_size=1, max_size=6), st.data())
    def test_a_doubled_row_and_swapped_columns_change_both(
        self, table: list[dict[str, Any]], data: st.DataObject
    ) -> None:
        before = digest(table)
        row = data.draw(st.sampled_from(table))
        doubled = digest([*table, row])
        assert (doubled.content, doubled.rows_set) != (before.content, before.rows_set)
        assert doubled.rows_set != before.rows_set
        swapped = [r | {"r": r["s"] or "", "s": r["r"]} for r in table]
        assume(swapped != table)
        after = digest(swapped)
        assert after.content != before.content
        assert after.rows_set != before.rows_set

    @quick
    @given(st.text(max_size=12), st.sampled_from(sorted(set(GRAMMAR) - {"decimal"})))
    def test_text_of_any_kind_is_read_or_refused(self, text: str, kind: str) -> None:
        assume(not any(0xD800 <= ord(char) <= 0xDFFF for char in text))
        try:
            value = parse(pa.array([text]), Column("a", kind))
        except ValueError:
            return
        assert value.null_count == 0
        assert value.type == arrow_type(Column("a", kind))

    @quick
    @given(st.sampled_from(["csv", "jsonl", "parquet"]), st.binary(max_size=200))
    def test_files_of_any_bytes_are_read_or_refused(self, suffix: str, raw: bytes) -> None:
        with folder() as root:
            (root / f"t.{suffix}").write_bytes(raw)
            schema = TableSchema((Column("a", "string"),))
            with suppress(SubjectError):  # and nothing else
                digest_table(root / f"t.{suffix}", schema)


def same_value(one: Any, two: Any) -> bool:
    if isinstance(one, float) and isinstance(two, float):
        return one == two or (math.isnan(one) and math.isnan(two))
    return bool(one == two)


class TestRowSets:
    @quick
    @given(st.lists(st.binary(max_size=3), max_size=30), st.integers(0, 30))
    def test_parts_add_up_to_the_whole(self, found: list[bytes], cut: int) -> None:
        whole, left, right = RowSet(), RowSet(), RowSet()
        whole.add(found)
        left.add(reversed(found[:cut]))
        right.add(found[cut:])
        right.merge(left)
        assert right.state == whole.state


class TestFiles:
    @quick
    @given(st.binary(max_size=100), st.data())
    def test_any_changed_byte_changes_both_digests(
        self, content: bytes, data: st.DataObject
    ) -> None:
        assume(content)
        with folder() as root:
            (root / "f").write_bytes(content)
            before = hash_file(root / "f")
            changed = bytearray(content)
            changed[data.draw(st.integers(0, len(content) - 1))] ^= 1
            (root / "f").write_bytes(changed)
            after = hash_file(root / "f")
            assert before.sha256 != after.sha256
            assert before.blake3 != after.blake3

    @quick
    @given(st.sampled_from(["sha256", "blake3"]), hexes)
    def test_a_digest_reads_what_it_writes(self, algorithm: str, value: str) -> None:
        digest = Digest(algorithm, value)
        assert Digest.parse(str(digest)) == digest
        assert digest.raw.hex() == value


def test_decimals_and_days_are_exact() -> None:
    """Guards the strategies above: they reach the ends of the types."""
    assert Decimal("9999999999999999.999") < 10**17
    assert date.max + timedelta(0) == date(9999, 12, 31)
