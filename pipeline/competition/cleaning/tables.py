"""Cleaning of the three tables that were split: their texts, then the rows of train.

The split is drawn before, from the texts as they were read, so the same rows are held out whatever is switched on.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.competition.cleaning.near_duplicates import find_near_copies
from pipeline.competition.cleaning.rows import ROW_RULES, Found, take_near_copies
from pipeline.competition.cleaning.texts import SUMMARY_RULES, TEXT_RULES, clean_column
from pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

EMPTY, MOVE = "empty_summaries", "near_copies_to_train"
# splits whose summaries are learnt
LEARNT = ("train", "extra")
# of removed.csv
REMOVED = ("id", "rule", "copy_of", "share", "text", "summary")


@dataclass(frozen=True)
class Cleaned:
    """What cleaning gives.

    Attributes:
        splits: `train`, `valid` and `test` frames; the test frame has the rows and ids that it had.
        removed: a row each (`REMOVED`) of what train lost and of what went from validation to train: the rule, and
            the id and Jaccard similarity of what it copies, blank where it copies nothing.
        counts: for each rule that is switched on, how many texts it changed and how many rows it met, by split.
    """

    splits: "dict[str, pd.DataFrame]"
    removed: "pd.DataFrame"
    counts: dict[str, Any]


def clean_splits(splits: "dict[str, pd.DataFrame]", dropped: Sequence[str], rules: Collection[str]) -> Cleaned:
    """Applies the rules that are switched on, in one order.

    Args:
        splits: `train`, `valid` (`id`, `text`, `summaries`), `test` (`id`, `text`) and, if there is, `extra` frames;
            they are not changed. Of `extra` the texts alone are cleaned: `leave_out_near_copies` is for its rows.
        dropped: ids of training rows that reading left out, for want of text or summary.
        rules: keys of preprocess.clean.

    Raises:
        InputError: if no row is left to train on or to validate on.
    """
    import pandas as pd

    cleaned, counts, empty = _clean_texts(splits, rules)
    rows: dict[str, dict[str, int]] = {"train": {}, "valid": {}}
    nameless = list_unread(dropped)
    removed = [nameless]
    if EMPTY in rules:
        rows["train"][EMPTY] = len(dropped) + len(empty)
        removed.append(_remove(cleaned, EMPTY, dict.fromkeys(empty)))
    if MOVE in rules:
        removed.append(_move(cleaned))
        rows["valid"][MOVE] = len(removed[-1])
    for name, find in ROW_RULES.items():
        if name in rules:
            removed.append(_remove(cleaned, name, find(cleaned["train"])))
            rows["train"][name] = len(removed[-1])
    table = pd.concat([part for part in removed if len(part)] or [nameless], ignore_index=True)
    return Cleaned(cleaned, table[list(REMOVED)], {**counts, "rows": rows})


def list_unread(ids: Sequence[str]) -> "pd.DataFrame":
    """Rows of removed.csv for what reading left out."""
    import pandas as pd

    return pd.DataFrame({"id": list(ids), "rule": EMPTY}, columns=REMOVED)


def _clean_texts(
    splits: "dict[str, pd.DataFrame]", rules: Collection[str]
) -> "tuple[dict[str, pd.DataFrame], dict[str, Any], list[int]]":
    """The splits after the rules of text, how many each changed, and training rows whose summaries are all gone."""
    documents = [name for name in TEXT_RULES if name in rules]
    summaries = [name for name in documents if name in SUMMARY_RULES]
    cleaned, counts, empty = dict(splits), {"documents": {}, "summaries": {}}, []
    if not documents:
        return cleaned, counts, empty
    for name, frame in splits.items():
        done = clean_column(frame["text"], documents, f"cleaning {name}")
        cleaned[name], counts["documents"][name] = frame.assign(text=done.column), done.changed
        if name in LEARNT:
            done = clean_column(frame["summaries"], summaries, f"cleaning summaries of {name}")
            cleaned[name], counts["summaries"][name] = cleaned[name].assign(summaries=done.column), done.changed
            empty = done.blank if name == "train" else empty
    return cleaned, counts, empty


def _remove(cleaned: "dict[str, pd.DataFrame]", rule: str, found: Found) -> "pd.DataFrame":
    """Leaves rows of train out; their records."""
    train = cleaned["train"]
    records = _describe(train, rule, found, train["id"].array)
    if found:
        cleaned["train"] = train.drop(index=train.index[list(found)]).reset_index(drop=True)
    if not len(cleaned["train"]):
        raise InputError(f"preprocess.clean.{rule}: leaves no row to train on")
    return records


def _move(cleaned: "dict[str, pd.DataFrame]") -> "pd.DataFrame":
    """Puts validation rows that nearly copy train behind train; their records."""
    import pandas as pd

    train, valid = cleaned["train"], cleaned["valid"]
    found = take_near_copies(train, valid)
    records = _describe(valid, MOVE, found, [*train["id"], *valid["id"]])
    if len(found) == len(valid):
        raise InputError(f"preprocess.clean.{MOVE}: every validation row nearly copies train; none is left")
    if found:
        places = sorted(found)
        cleaned["train"] = pd.concat([train, valid.iloc[places]], ignore_index=True)
        cleaned["valid"] = valid.drop(index=valid.index[places]).reset_index(drop=True)
    return records


def _describe(frame: "pd.DataFrame", rule: str, found: Found, ids: Sequence[str]) -> "pd.DataFrame":
    """Records of the rows at some places of a frame; `ids` are those that the places of what is copied count in."""
    import pandas as pd

    # taking no rows, too, would first put all text into one piece
    rows = frame.iloc[list(found)] if found else frame.iloc[:0]
    copied = [("", "") if source is None else (ids[source[0]], f"{source[1]:.4f}") for source in found.values()]
    return pd.DataFrame(
        {
            "id": rows["id"].tolist(),
            "rule": rule,
            "copy_of": [name for name, _ in copied],
            "share": [share for _, share in copied],
            "text": rows["text"].tolist(),
            "summary": ["\n".join(many) for many in rows["summaries"]],
        },
        columns=REMOVED,
    )


def leave_out_near_copies(
    frame: "pd.DataFrame", held_out: "Sequence[pd.DataFrame]"
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Further rows to learn from, without those whose document nearly is a held-out one.

    What comes from other files was in no split, so nothing else keeps validation out of it.

    Args:
        frame: `id`, `text`, `summaries`.
        held_out: frames of `id` and `text`: validation, and test where a board forbids to learn from it.

    Returns:
        The rows that stay, and records (`REMOVED`) of those that do not.
    """
    ids = [name for other in held_out for name in other["id"]]
    texts = [text for other in held_out for text in other["text"]]
    copies = find_near_copies(frame["text"].array, texts)
    found: Found = {copy.number: (copy.of, copy.share) for copy in copies}
    records = _describe(frame, "near_copies_of_held_out", found, ids)
    return frame.drop(index=frame.index[list(found)]).reset_index(drop=True), records
