"""One table, one digest, whatever the file format; and a refusal for every value that is none."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as papq
import pytest
from blake3 import blake3

from tidegate.core.canonical import dumps
from tidegate.core.errors import ProofError, SubjectError
from tidegate.tables import read
from tidegate.tables.digest import TableDigest, digest_table, verify_chunk
from tidegate.tables.infer import infer_schema
from tidegate.tables.read import TableFormat, batches
from tidegate.tables.rowset import RowSet
from tidegate.tables.schema import Column, TableSchema
from tidegate.tables.text import arrow_type, first_bad, parse

FULL = TableSchema(
    (
        Column("b", "bool"),
        Column("i", "int64"),
        Column("f", "float64"),
        Column("m", "decimal(10,2)"),
        Column("s", "string"),
        Column("d", "date"),
        Column("t", "timestamp_us"),
        Column("x", "binary"),
    )
)
ROWS: list[dict[str, Any]] = [
    {"b": True, "i": 1, "f": 0.1, "m": Decimal("1.50"), "s": "ann", "d": date(2024, 2, 29),
     "t": datetime(2024, 2, 29, 12, 0, 0, 123456, UTC), "x": b"\x00\xff"},
    {"b": False, "i": -(2**63), "f": -1e300, "m": Decimal("-0.01"), "s": 'q"u,o\nte',
     "d": date(1969, 12, 31), "t": datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "x": b""},
    dict.fromkeys("bifmsdtx"),
    {"b": True, "i": 2**63 - 1, "f": 5e-324, "m": Decimal("99999999.99"), "s": "zoë 🌊",
     "d": date(9999, 12, 31), "t": datetime(2262, 1, 1, tzinfo=UTC), "x": b"tide"},
]  # fmt: skip


def cell(value: Any) -> str:
    """Write a value as text, the way a data engineer's CSV has it."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex() or '""'
    if isinstance(value, datetime):
        return value.isoformat(" ")
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def write_csv(path: Path, rows: list[dict[str, Any]], names: list[str], sep: str = ",") -> Path:
    lines = [sep.join(names), *(sep.join(cell(row[name]) for name in names) for row in rows)]
    path.write_text("\n".join(lines) + "\n", newline="")
    return path


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    def native(value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return cell(value).strip('"')

    lines = [json.dumps({key: native(value) for key, value in row.items()}) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def arrow(rows: list[dict[str, Any]], schema: TableSchema = FULL) -> pa.Table:
    return pa.table(
        {c.name: pa.array([row[c.name] for row in rows], arrow_type(c)) for c in schema.columns}
    )


def refused(path: Path, schema: TableSchema) -> SubjectError:
    with pytest.raises(SubjectError) as caught:
        digest_table(path, schema)
    assert str(caught.value.where).startswith(str(path))
    return caught.value


@pytest.fixture
def wanted(tmp_path: Path) -> TableDigest:
    papq.write_table(arrow(ROWS), tmp_path / "t.parquet")
    return digest_table(tmp_path / "t.parquet", FULL)


class TestSameTable:
    """Every writing of one table has one content digest and one set digest."""

    def same(self, path: Path, wanted: TableDigest) -> None:
        assert digest_table(path, FULL) == wanted

    def test_csv(self, tmp_path: Path, wanted: TableDigest) -> None:
        self.same(write_csv(tmp_path / "t.csv", ROWS, list("bifmsdtx")), wanted)
        self.same(write_csv(tmp_path / "u.csv", ROWS, list("xtdsmfib")), wanted)

    def test_tsv(self, tmp_path: Path, wanted: TableDigest) -> None:
        self.same(write_csv(tmp_path / "t.tsv", ROWS, list("bifmsdtx"), "\t"), wanted)

    def test_csv_with_crlf_and_without_a_final_newline(self, tmp_path: Path) -> None:
        rows = [ROWS[0], ROWS[3]]
        papq.write_table(arrow(rows), tmp_path / "u.parquet")
        path = write_csv(tmp_path / "t.csv", rows, list("bifmsdtx"))
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n").rstrip())
        self.same(path, digest_table(tmp_path / "u.parquet", FULL))

    def test_jsonl(self, tmp_path: Path, wanted: TableDigest) -> None:
        self.same(write_jsonl(tmp_path / "t.jsonl", ROWS), wanted)

    def test_jsonl_with_nulls_left_out(self, tmp_path: Path, wanted: TableDigest) -> None:
        rows = [{k: v for k, v in row.items() if v is not None} for row in ROWS]
        self.same(write_jsonl(tmp_path / "t.ndjson", rows), wanted)

    def test_arrows_own_csv(self, tmp_path: Path, wanted: TableDigest) -> None:
        table = arrow(ROWS).drop_columns(["x"])
        table = table.append_column("x", pa.array([cell(r["x"]) or None for r in ROWS]))
        table = table.set_column(
            table.column_names.index("x"), "x", pa.array(["00ff", "", None, "74696465"])
        )
        pacsv.write_csv(table, tmp_path / "t.csv")
        self.same(tmp_path / "t.csv", wanted)

    @pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
    @pytest.mark.parametrize("group", [1, 3, 1_000])
    def test_codecs_and_row_groups(
        self, tmp_path: Path, wanted: TableDigest, codec: str, group: int
    ) -> None:
        papq.write_table(
            arrow(ROWS), tmp_path / "u.parquet", compression=codec, row_group_size=group
        )
        self.same(tmp_path / "u.parquet", wanted)

    @pytest.mark.parametrize(
        "options",
        [
            {"use_dictionary": False},
            {"data_page_version": "2.0"},
            {"store_schema": False},
            {"use_byte_stream_split": ["f"], "use_dictionary": ["s"]},
            {"write_statistics": False, "version": "1.0"},
        ],
    )
    def test_encodings(self, tmp_path: Path, wanted: TableDigest, options: dict[str, Any]) -> None:
        papq.write_table(arrow(ROWS), tmp_path / "u.parquet", **options)
        self.same(tmp_path / "u.parquet", wanted)

    def test_arrow_types_of_the_same_values(self, tmp_path: Path) -> None:
        """Dictionary, narrow integers, float32, milliseconds, another zone, no zone, views."""
        schema = TableSchema(
            (Column("i", "int64"), Column("f", "float64"), Column("s", "string"),
             Column("t", "timestamp_us"), Column("d", "date"), Column("m", "decimal(10,2)"))
        )  # fmt: skip
        when = pa.array([1_700_000_000_000, None], pa.timestamp("ms"))
        plain = {
            "i": pa.array([7, None]),
            "f": pa.array([0.5, None]),
            "s": pa.array(["a", None]),
            "t": when.cast(pa.timestamp("us", "UTC")),
            "d": pa.array([date(2024, 1, 1), None]),
            "m": pa.array([Decimal("1.50"), None], pa.decimal128(10, 2)),
        }
        other = {
            "i": pa.array([7, None], pa.uint8()),
            "f": pa.array([0.5, None], pa.float32()),
            "s": pa.array(["a", None]).dictionary_encode(),
            "t": when,
            "d": pa.array([date(2024, 1, 1), None], pa.date64()),
            "m": pa.array([Decimal("1.5"), None], pa.decimal128(4, 1)),
        }
        zoned = plain | {
            "t": when.cast(pa.timestamp("ns", "UTC")),
            "s": plain["s"].cast("large_string"),
        }
        found = set()
        for n, columns in enumerate((plain, other, zoned)):
            papq.write_table(pa.table(columns), tmp_path / f"{n}.parquet")
            found.add(digest_table(tmp_path / f"{n}.parquet", schema))
        assert len(found) == 1

    def test_zero_and_nan_have_one_form(self, tmp_path: Path) -> None:
        schema = TableSchema((Column("f", "float64"),))
        other = np.array([0x7FF8DEADBEEF0000, 0xFFF8000000000000], "<u8").view("<f8")
        for name, values in {"a": [0.0, -0.0, *other], "b": [-0.0, 0.0, np.nan, -np.nan]}.items():
            papq.write_table(pa.table({"f": pa.array(values)}), tmp_path / f"{name}.parquet")
        (tmp_path / "c.csv").write_text("f\n0\n-0.0\nnan\n-NaN\n")
        (tmp_path / "d.jsonl").write_text('{"f": 0}\n{"f": -0}\n{"f": NaN}\n{"f": NaN}\n')
        files = [tmp_path / n for n in ("a.parquet", "b.parquet", "c.csv", "d.jsonl")]
        assert len({digest_table(path, schema) for path in files}) == 1

    def test_timestamps_mean_their_instant(self, tmp_path: Path) -> None:
        schema = TableSchema((Column("t", "timestamp_us"),))
        texts = ["2024-01-01T12:00:00Z", "2024-01-01 12:00:00", "2024-01-01T13:00:00.000+01:00",
                 "2024-01-01T06:30:00.000000-05:30"]  # fmt: skip
        found = set()
        for text in texts:
            (tmp_path / "t.csv").write_text(f"t\n{text}\n")
            found.add(digest_table(tmp_path / "t.csv", schema).content)
        assert len(found) == 1


class TestOtherTable:
    """What is not the same table has another digest."""

    @pytest.mark.parametrize(
        "rows",
        [ROWS[:3], [*ROWS, ROWS[0]], [ROWS[0] | {"s": "anm"}, *ROWS[1:]],
         [ROWS[0] | {"s": ""}, *ROWS[1:]], [ROWS[0] | {"f": 0.30000000000000004}, *ROWS[1:]]],
    )  # fmt: skip
    def test_other_rows(self, tmp_path: Path, wanted: TableDigest, rows: list[Any]) -> None:
        papq.write_table(arrow(rows), tmp_path / "u.parquet")
        other = digest_table(tmp_path / "u.parquet", FULL)
        assert other.content != wanted.content
        assert other.rows_set != wanted.rows_set

    def test_order_counts_in_the_content_and_not_in_the_set(
        self, tmp_path: Path, wanted: TableDigest
    ) -> None:
        papq.write_table(arrow(ROWS[::-1]), tmp_path / "u.parquet")
        other = digest_table(tmp_path / "u.parquet", FULL)
        assert other.content != wanted.content
        assert other.rows_set == wanted.rows_set

    def test_null_empty_and_missing_are_different(self, tmp_path: Path) -> None:
        schema = TableSchema((Column("a", "string"), Column("b", "string")), null="NA")
        cases = ['"",x', "NA,x", '"NA",x', "x,", "x,NA", 'x,"NA"', '"",""']
        found = set()
        for row in cases:
            (tmp_path / "t.csv").write_text(f"a,b\n{row}\n")
            found.add(digest_table(tmp_path / "t.csv", schema).content)
        assert len(found) == len(cases)

    def test_bytes_do_not_move_between_cells(self, tmp_path: Path) -> None:
        schema = TableSchema((Column("a", "string"), Column("b", "string")))
        found = set()
        for left, right in (("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")):
            papq.write_table(pa.table({"a": [left], "b": [right]}), tmp_path / "t.parquet")
            digest = digest_table(tmp_path / "t.parquet", schema)
            found |= {digest.content.hex, digest.rows_set}
        assert len(found) == 8

    def test_the_schema_is_part_of_the_digest(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text("a\n1\n")
        columns = [Column("a", "int64"), Column("a", "float64"), Column("a", "string"),
                   Column("a", "int64", nullable=False)]  # fmt: skip
        schemas = [TableSchema((c,)) for c in columns] + [TableSchema((columns[0],), null="NA")]
        found = {digest_table(tmp_path / "t.csv", schema).content for schema in schemas}
        assert len(found) == 5

    def test_no_rows(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text("a\n")
        (tmp_path / "t.jsonl").write_text("\n")
        papq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "t.parquet")
        schema = TableSchema((Column("a", "int64"),))
        found = {digest_table(path, schema) for path in tmp_path.iterdir()}
        assert len(found) == 1
        assert found.pop().rows == 0


BAD_CSV = [
    ("int64", "1.0"), ("int64", " 1"), ("int64", "+1"), ("int64", "0x1F"), ("int64", "1_0"),
    ("int64", "9223372036854775808"), ("int64", "\u0661"), ("float64", "1,5"), ("float64", "1e999"),
    ("float64", "0x1p3"), ("float64", "1 "), ("float64", "."), ("float64", "infinity"),
    ("bool", "yes"), ("bool", "2"), ("date", "2023-02-29"), ("date", "2024-1-1"),
    ("date", "01/02/2024"), ("timestamp_us", "2024-01-01"), ("timestamp_us", "2024-01-01T12:00"),
    ("timestamp_us", "2024-01-01T12:00:00.1234567Z"), ("timestamp_us", "2024-01-01T25:00:00Z"),
    ("decimal(4,2)", "1.234"), ("decimal(4,2)", "100.00"), ("decimal(4,2)", "1e1"),
    ("binary", "abc"), ("binary", "0g"), ("binary", "00 11"),
]  # fmt: skip


class TestRefusals:
    @pytest.mark.parametrize(("kind", "value"), BAD_CSV)
    def test_text_that_is_no_value_names_column_and_row(
        self, tmp_path: Path, kind: str, value: str
    ) -> None:
        path = tmp_path / "t.csv"
        path.write_text("a,n\n" + ",1\n" * 5 + f'"{value}",1\n' + ",1\n" * 5)
        error = refused(path, TableSchema((Column("a", kind), Column("n", "int64"))))
        assert error.slug == "bad-value"
        assert str(error.where).endswith("column 'a', row 6")
        assert f"{value!r}" not in str(error)
        assert len(value) < 3 or value not in str(error)

    def test_the_row_is_right_in_a_later_block(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(read, "BLOCK", 1_000)
        good = [str(n) for n in range(1_000)]
        for bad in (1, 500, 999):
            values = [*good[: bad - 1], "x", *good[bad:]]
            (tmp_path / "t.csv").write_text("a\n" + "\n".join(values))
            lines = [f'{{"a": {"[]" if value == "x" else value}}}' for value in values]
            (tmp_path / "t.jsonl").write_text("\n".join(lines))
            for name in ("t.csv", "t.jsonl"):
                error = refused(tmp_path / name, TableSchema((Column("a", "int64"),)))
                assert str(error.where).endswith(f"column 'a', row {bad}"), name

    @pytest.mark.parametrize(
        ("kind", "value"),
        [("int64", "1.0"), ("int64", '"1"'), ("int64", "true"), ("int64", "1e2"),
         ("int64", "9223372036854775808"), ("float64", '"1"'), ("bool", "1"), ("bool", '"true"'),
         ("string", "1"), ("string", "[]"), ("string", "{}"), ("string", '"\\ud800"'),
         ("date", '"2024-02-30"'), ("decimal(4,2)", "1.234"), ("binary", '"0"')],
    )  # fmt: skip
    def test_json_that_is_no_value_names_column_and_row(
        self, tmp_path: Path, kind: str, value: str
    ) -> None:
        path = tmp_path / "t.jsonl"
        path.write_text('{"a": null}\n' * 3 + f'{{"n": 1, "a": {value}}}\n' + '{"n": 2}\n' * 3)
        error = refused(path, TableSchema((Column("a", kind), Column("n", "int64"))))
        assert error.slug == "bad-value"
        assert str(error.where).endswith("column 'a', row 4")

    @pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
    def test_a_null_where_none_may_be(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "t.csv").write_text("a,b\n1,2\n,3\n")
        (tmp_path / "t.jsonl").write_text('{"a": 1, "b": 2}\n{"b": 3}\n')
        papq.write_table(pa.table({"a": [1, None], "b": [2, 3]}), tmp_path / "t.parquet")
        schema = TableSchema((Column("a", "int64", nullable=False), Column("b", "int64")))
        error = refused(tmp_path / name, schema)
        assert error.slug == "bad-value"
        assert str(error.where).endswith("column 'a', row 2")

    def test_the_null_token_is_a_value_where_no_null_may_be(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text("a,b\n,1\n")
        papq.write_table(pa.table({"a": [""], "b": [1]}), tmp_path / "t.parquet")
        schema = TableSchema((Column("a", "string", nullable=False), Column("b", "int64")))
        assert digest_table(tmp_path / "t.csv", schema) == digest_table(
            tmp_path / "t.parquet", schema
        )

    @pytest.mark.parametrize(
        ("text", "slug"),
        [
            ("a,b\n1\n", "bad-table"),
            ("a,b\n1,2,3\n", "bad-table"),
            ("a,b\n1,2\n,,\n3,4\n", "bad-table"),
            ("a\n1\n", "bad-columns"),
            ("a,b,c\n1,2,3\n", "bad-columns"),
            ("a,a\n1,2\n", "bad-columns"),
            ("", "bad-table"),
        ],
    )
    def test_csv_of_another_shape(self, tmp_path: Path, text: str, slug: str) -> None:
        (tmp_path / "t.csv").write_text(text)
        error = refused(
            tmp_path / "t.csv", TableSchema((Column("a", "int64"), Column("b", "int64")))
        )
        assert error.slug == slug

    @pytest.mark.parametrize(
        ("line", "slug"),
        [
            ("[1]", "bad-table"),
            ("nonsense", "bad-table"),
            ('{"a": 1', "bad-table"),
            ('{"a": 1, "a": 2}', "bad-table"),
            ('{"b": 1}', "bad-columns"),
            ("[" * 100_000, "bad-table"),
            ('{"a":' * 100_000, "bad-table"),
        ],
    )
    def test_lines_that_are_no_row(self, tmp_path: Path, line: str, slug: str) -> None:
        (tmp_path / "t.jsonl").write_text('{"a": 1}\n' + line + "\n")
        error = refused(tmp_path / "t.jsonl", TableSchema((Column("a", "int64"),)))
        assert error.slug == slug
        assert str(error.where).endswith("row 2")

    def test_a_line_without_end_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(read, "BLOCK", 1_000)
        schema = TableSchema((Column("a", "string"),))
        (tmp_path / "t.csv").write_text("a\nx\n" + "y" * 100_000 + "\n")
        (tmp_path / "t.jsonl").write_text('{"a": "' + "y" * 100_000 + '"}\n')
        assert refused(tmp_path / "t.csv", schema).slug == "bad-table"
        assert refused(tmp_path / "t.jsonl", schema).slug in {"bad-table", "bad-value"}

    def test_text_that_is_not_utf8(self, tmp_path: Path) -> None:
        schema = TableSchema((Column("a", "string"),))
        (tmp_path / "t.csv").write_bytes(b"a\n\xff\n")
        (tmp_path / "t.jsonl").write_bytes(b'{"a": "\xff"}\n')
        raw = pa.array([b"\xff"]).view(pa.string())
        papq.write_table(pa.table({"a": raw}), tmp_path / "t.parquet")
        for path in tmp_path.iterdir():
            assert refused(path, schema).slug in {"bad-value", "bad-table"}, path

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (pa.array(["1"]), "int64"),
            (pa.array([1]), "string"),
            (pa.array([1.0]), "int64"),
            (pa.array([1]), "bool"),
            (pa.array([1]), "date"),
            (pa.array([date(2024, 1, 1)]), "timestamp_us"),
            (pa.array(["a"]), "binary"),
            (pa.array([[1]]), "int64"),
            (pa.array([{"x": 1}]), "string"),
        ],
    )
    def test_parquet_of_another_type(self, tmp_path: Path, values: Any, kind: str) -> None:
        papq.write_table(pa.table({"a": values}), tmp_path / "t.parquet")
        assert refused(tmp_path / "t.parquet", TableSchema((Column("a", kind),))).slug == "bad-type"

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (pa.array([2**63], pa.uint64()), "int64"),
            (pa.array([2**53 + 1]), "float64"),
            (pa.array([1_001], pa.timestamp("ns")), "timestamp_us"),
            (pa.array([1_001], pa.timestamp("ns", "UTC")), "timestamp_us"),
            (pa.array([Decimal("1.234")]), "decimal(10,2)"),
        ],
    )
    def test_parquet_values_that_would_be_rounded(
        self, tmp_path: Path, values: Any, kind: str
    ) -> None:
        papq.write_table(pa.table({"a": values}), tmp_path / "t.parquet")
        error = refused(tmp_path / "t.parquet", TableSchema((Column("a", kind),)))
        assert error.slug == "bad-value"

    def test_every_truncation_of_a_parquet_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "t.parquet"
        papq.write_table(arrow(ROWS), path)
        data = path.read_bytes()
        for size in range(0, len(data), 97):
            path.write_bytes(data[:size])
            assert refused(path, FULL).slug == "bad-table"

    def test_no_table_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "t.xlsx").touch()
        schema = TableSchema((Column("a", "int64"),))
        with pytest.raises(SubjectError) as caught:
            digest_table(tmp_path / "t.xlsx", schema)
        assert caught.value.slug == "unknown-format"
        with pytest.raises(SubjectError) as caught:
            digest_table(tmp_path / "gone.csv", schema)
        assert caught.value.slug == "no-such-path"


class TestSchema:
    @pytest.mark.parametrize(
        "columns",
        [
            (),
            (Column("a", "int64"), Column("a", "string")),
        ],
    )
    def test_no_columns_or_a_name_twice(self, columns: tuple[Column, ...]) -> None:
        with pytest.raises(SubjectError):
            TableSchema(columns)

    @pytest.mark.parametrize(
        ("name", "kind"),
        [("a", "int32"), ("a", "decimal(39,2)"), ("a", "decimal(2,3)"), ("a", "decimal(2, 1)"),
         ("", "int64"), ("x" * 1_001, "int64"), ("\ud800", "int64")],
    )  # fmt: skip
    def test_no_such_column(self, name: str, kind: str) -> None:
        with pytest.raises(SubjectError):
            Column(name, kind)

    @pytest.mark.parametrize(
        "change",
        [
            lambda v: v | {"x": 1},
            lambda v: v | {"null": 1},
            lambda v: v | {"format": "tidegate/schema/v2"},
            lambda v: v | {"columns": v["columns"][::-1]},
            lambda v: v | {"columns": [{"name": "a"}]},
            lambda v: v | {"columns": [{"name": "a", "type": "int64", "nullable": 1}]},
            lambda v: [v],
            str,
        ],
    )
    def test_json_that_is_no_schema(self, change: Callable[[Any], Any]) -> None:
        assert TableSchema.from_json(FULL.to_json()) == FULL
        with pytest.raises(SubjectError) as caught:
            TableSchema.from_json(change(FULL.to_json()))
        assert caught.value.slug == "bad-schema"


class TestInfer:
    def test_csv(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text(
            "id,zip,price,ok,day,at,note,empty\n"
            "1,01234,1.5,true,2024-01-01,2024-01-01T12:00:00Z,x,\n"
            "2,98765,2,false,2024-01-02,2024-01-02 12:00:00,,\n"
        )
        schema = infer_schema(tmp_path / "t.csv")
        assert {c.name: (c.type, c.nullable) for c in schema.columns} == {
            "id": ("int64", False),
            "zip": ("string", False),
            "price": ("float64", False),
            "ok": ("bool", False),
            "day": ("date", False),
            "at": ("timestamp_us", False),
            "note": ("string", True),
            "empty": ("string", True),
        }
        assert digest_table(tmp_path / "t.csv", schema).rows == 2

    def test_the_whole_file_is_looked_at(self, tmp_path: Path) -> None:
        (tmp_path / "t.csv").write_text("a\n" + "1\n" * 1_500_000 + "x\n" + "1\n" * 1_500_000)
        assert infer_schema(tmp_path / "t.csv").columns == (Column("a", "string", nullable=False),)

    def test_jsonl(self, tmp_path: Path) -> None:
        (tmp_path / "t.jsonl").write_text(
            '{"i": 1, "f": 1, "b": true, "s": "x", "t": "2024-01-01T00:00:00Z", "n": null}\n'
            '{"i": 2, "f": 1.5, "b": false, "t": "2024-01-01T00:00:00Z"}\n'
        )
        schema = infer_schema(tmp_path / "t.jsonl")
        assert {c.name: (c.type, c.nullable) for c in schema.columns} == {
            "i": ("int64", False),
            "f": ("float64", False),
            "b": ("bool", False),
            "s": ("string", True),
            "t": ("timestamp_us", False),
            "n": ("string", True),
        }

    @pytest.mark.parametrize("second", ["[]", '"x"', "true"])
    def test_mixed_or_nested_json_is_refused(self, tmp_path: Path, second: str) -> None:
        (tmp_path / "t.jsonl").write_text(f'{{"a": 1}}\n{{"a": {second}}}\n')
        with pytest.raises(SubjectError) as caught:
            infer_schema(tmp_path / "t.jsonl")
        assert caught.value.slug == "bad-value"

    def test_parquet(self, tmp_path: Path) -> None:
        papq.write_table(arrow(ROWS), tmp_path / "t.parquet")
        assert infer_schema(tmp_path / "t.parquet") == FULL
        papq.write_table(pa.table({"a": pa.array([[1]])}), tmp_path / "u.parquet")
        with pytest.raises(SubjectError) as caught:
            infer_schema(tmp_path / "u.parquet")
        assert caught.value.slug == "bad-type"


class TestProofs:
    def test_rows_are_proved_to_be_part_of_a_table(self, tmp_path: Path) -> None:
        schema = TableSchema((Column("n", "int64"),))
        papq.write_table(pa.table({"n": np.arange(150_000)}), tmp_path / "t.parquet")
        table = digest_table(tmp_path / "t.parquet", schema)
        assert len(table.chunks) == 3
        part = [pa.array(np.arange(65_536, 131_072))]
        shape = (schema, 150_000)
        verify_chunk(table.content, shape, 1, part, table.prove(1))
        other = [pa.array(np.arange(65_537, 131_073))]
        for bad in ((table.content, shape, 1, other, table.prove(1)),
                    (table.content, (schema, 149_999), 1, part, table.prove(1)),
                    (table.content, shape, 0, part, table.prove(1)),
                    (table.content, shape, 1, part, table.prove(0))):  # fmt: skip
            with pytest.raises(ProofError):
                verify_chunk(*bad)


def test_the_digests_can_be_computed_from_the_documented_format(tmp_path: Path) -> None:
    """docs/design/digests.md, followed in plain Python."""
    schema = TableSchema((Column("s", "string"), Column("i", "int64")))
    (tmp_path / "t.csv").write_text('i,s\n1,ab\n,""\n-2,\n')
    found = digest_table(tmp_path / "t.csv", schema)
    i = b"\1\0\1" + b"".join(n.to_bytes(8, "little", signed=True) for n in (1, 0, -2))
    s = b"\1\1\0" + b"".join(n.to_bytes(4, "little") for n in (2, 0, 0)) + b"ab"
    leaf = sha256(b"\0" + (3).to_bytes(4, "little") + sha256(i).digest() + sha256(s).digest())
    head = {"format": "tidegate/table/v1", "rows": 3, "chunk_rows": 65_536,
            "root": leaf.hexdigest(), "schema": schema.to_json()}  # fmt: skip
    assert found.content.hex == sha256(dumps(head)).hexdigest()

    def row(number: int | None, text: bytes | None) -> bytes:
        left = b"\0" * 9 if number is None else b"\1" + number.to_bytes(8, "little", signed=True)
        right = b"\0" * 5 if text is None else b"\1" + len(text).to_bytes(4, "little")
        return left + right + (text or b"")

    vectors = [
        blake3(r).digest(length=4_096) for r in (row(1, b"ab"), row(None, b""), row(-2, None))
    ]
    lanes = [
        sum(int.from_bytes(v[at : at + 8], "little") for v in vectors) % 2**64
        for at in range(0, 4_096, 8)
    ]
    state = b"".join(lane.to_bytes(8, "little") for lane in lanes)
    head = {"format": "tidegate/rows/v1", "rows": 3, "schema": schema.to_json()}
    assert found.rows_set == sha256(dumps(head) + state).hexdigest()


class TestRowSet:
    def test_merge_and_remove(self) -> None:
        whole, left, right = RowSet(), RowSet(), RowSet()
        rows = [bytes([n]) for n in range(200)] * 3
        whole.add(rows)
        left.add(rows[:77])
        right.add(rows[77:])
        left.merge(right)
        assert left.state == whole.state
        left.remove(right)
        again = RowSet()
        again.add(rows[:77])
        assert left.state == again.state
        assert RowSet(left.state).state == left.state

    def test_multiplicity_does_not_wrap_where_the_papers_lanes_do(self) -> None:
        """65,536 copies of one row add up to nothing in 16-bit lanes."""
        one, other = RowSet(), RowSet()
        one.add([b"a"] * 65_536)
        other.add([b"b"] * 65_536)
        assert one.state != other.state
        assert one.state != RowSet().state

    def test_a_state_of_another_size_is_refused(self) -> None:
        with pytest.raises(ValueError, match="4096"):
            RowSet(b"")


def test_batches_give_canonical_columns(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", ROWS, list("bifmsdtx"))
    with path.open("rb") as file:
        (batch,) = batches(file.fileno(), TableFormat.CSV, FULL)
    assert [array.type for array in batch] == [arrow_type(column) for column in FULL.columns]
    assert [array.to_pylist()[3] for array in batch] == [ROWS[3][c.name] for c in FULL.columns]


def test_the_first_bad_value_is_found() -> None:
    column = Column("a", "int64")
    for bad in (0, 1, 6, 7):
        texts = ["1"] * bad + ["x"] + ["1", "y"] * 3
        assert first_bad(pa.array(texts), column) == bad
    with pytest.raises(ValueError, match="int64"):
        parse(pa.array(["x"]), column)


@pytest.mark.parametrize("kind", TableFormat)
def test_the_descriptors_own_offset_is_left_alone(tmp_path: Path, kind: TableFormat) -> None:
    """Arrow's read-ahead may outlive a reader, and must disturb nobody."""
    path = tmp_path / "t"
    if kind is TableFormat.PARQUET:
        papq.write_table(arrow(ROWS), path)
    elif kind is TableFormat.JSONL:
        write_jsonl(path, ROWS)
    else:
        write_csv(path, ROWS, list("bifmsdtx"), "\t" if kind is TableFormat.TSV else ",")
    with path.open("rb", buffering=0) as file:
        file.seek(3)
        assert sum(len(batch[0]) for batch in batches(file.fileno(), kind, FULL)) == len(ROWS)
        assert file.tell() == 3
