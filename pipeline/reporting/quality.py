"""What the page says of the data: lengths, what the context cuts, what was cleaned, what leaks between splits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# rows that a page has room for; the file holds all
SHOWN = 100
_LENGTHS = ("documents", "tokens_median", "tokens_max", "documents_cut")


@dataclass(frozen=True)
class Table:
    """A heading, columns and cells, ready to be shown; `korean` names the columns that hold texts of the data."""

    # columns of words, beside the first; the rest are numbers
    words = frozenset({"of", "split", "rule", "copy of", "text", "first known words"})

    title: str
    columns: list[str]
    rows: list[list[str]]
    korean: frozenset[str] = frozenset()
    more: int = 0


def list_length_tables(details: Mapping[str, Any]) -> list[Table]:
    """Lengths in tokens, what is cut, and which part of too long documents holds the summaries' words.

    Args:
        details: those of preprocess; of another task some are missing.
    """
    tables = []
    if cuts := details.get("truncation"):
        rows = [
            [split, *(f"{cut[key]:,}" for key in _LENGTHS), f"{cut['tokens_cut_share']:.1%}"]
            for split, cut in cuts.items()
        ]
        columns = ["split", "documents", "median tokens", "longest", "cut", "tokens lost"]
        tables.append(Table("Documents", columns, rows))
    if summary := details.get("summary"):
        labels = {"tokens_median": "median tokens", "tokens_max": "longest"}
        labels["longer_than_max_summary_tokens"] = "longer than prompt.max_summary_tokens"
        rows = [[label, f"{summary[key]:,}"] for key, label in labels.items()]
        tables.append(Table("Training summaries", ["", "tokens"], rows))
    if recalls := details.get("kept", {}).get("recalls"):
        kept = details["kept"]["truncation"]
        rows = [[f"{name} (kept)" if name == kept else name, f"{share:.1%}"] for name, share in recalls.items()]
        tables.append(Table("Summary words held by what could be kept of cut documents", ["part", "words"], rows))
    if coverage := details.get("coverage"):
        parts = ("first", "middle", "last", "whole")
        rows = [[split, *(_write_share(found.get(part)) for part in parts)] for split, found in coverage.items()]
        columns = ["split", "first third", "middle", "last third", "whole document"]
        tables.append(Table("Summary words that stand in the document", columns, rows))
    return tables


def list_quality_tables(details: Mapping[str, Any], removed: "pd.DataFrame") -> list[Table]:
    """Rows, cleaned texts, near-copies and overlap, and the rows that were left out or moved."""
    tables = []
    if rows := details.get("rows"):
        tables.append(Table("Rows", list(rows), [[f"{count:,}" for count in rows.values()]]))
    if overlap := details.get("overlap"):
        cells = [
            [split, f"{found['exact_copies']:,}", f"{found['near_copies']:,}", f"{found['ngram_share']:.1%}"]
            for split, found in overlap.items()
        ]
        columns = ["split", "exact copies", "near copies", "character n-grams known"]
        tables.append(Table("Documents that stand in train already", columns, cells))
    tables += _list_cleaning(details.get("clean") or {})
    tables += _list_word_overlap(details.get("word_overlap") or {})
    if len(removed):
        shown = removed.head(SHOWN).fillna("")
        cells = [[str(value) for value in row] for row in shown[["id", "rule", "copy_of", "text"]].to_numpy()]
        cells = [[*row[:3], shorten(row[3])] for row in cells]
        more = len(removed) - len(shown)
        title = f"Rows left out of train or moved there: {len(removed):,}"
        tables.append(Table(title, ["id", "rule", "copy of", "text"], cells, frozenset({"text"}), more))
    return tables


def _list_cleaning(clean: Mapping[str, Any]) -> list[Table]:
    """How many texts each rule changed, and how many rows it met; rules that met nothing are left out."""
    cells = []
    for kind, by_split in clean.items():
        for split, counts in by_split.items():
            cells += [[rule, kind, split, f"{count:,}"] for rule, count in counts.items() if count]
    return [Table("Cleaned", ["rule", "of", "split", "met"], cells)] if cells else []


def _list_word_overlap(overlap: Mapping[str, Any]) -> list[Table]:
    """The texts of which most stands in one training text, by word 8-grams."""
    tables = []
    for split, found in (overlap.get("train") or {}).items():
        cells = [[one["id"], one["copy_of"], f"{one['share']:.0%}", one["first"]] for one in found["worst"]]
        if cells:
            name = split.replace("_", "'s ")
            title = f"Word 8-grams of {name} known from train: {found['ngram_share']:.1%} in the mean; the most"
            tables.append(Table(title, ["id", "copy of", "share", "first known words"], cells, _WORDS))
    return tables


_WORDS = frozenset({"first known words"})


def shorten(text: str, most: int = 160) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _write_share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
