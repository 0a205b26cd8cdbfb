"""Tables on the data."""

import pandas as pd

from pipeline.reporting.quality import SHOWN, list_length_tables, list_quality_tables

NONE = pd.DataFrame(columns=["id", "rule", "copy_of", "text"])


def test_what_a_run_has_not_is_left_out():
    assert list_length_tables({}) == []
    assert list_quality_tables({"rows": {}, "clean": {"documents": {"train": {"nfc": 0}}}}, NONE) == []


def test_cuts_and_the_kept_part_are_named():
    cut = {"documents": 1800, "tokens_median": 77, "tokens_max": 1131, "documents_cut": 3, "tokens_cut_share": 0.015}
    details = {"truncation": {"train": cut}, "kept": {"truncation": "tail", "recalls": {"head": 0.2, "tail": 0.4157}}}
    lengths, kept = list_length_tables(details)
    assert lengths.rows == [["train", "1,800", "77", "1,131", "3", "1.5%"]]
    assert kept.rows == [["head", "20.0%"], ["tail (kept)", "41.6%"]]


def test_cleaned_texts_are_counted_and_removed_rows_listed():
    removed = pd.DataFrame({"id": ["a"] * 120, "rule": "html", "copy_of": "", "text": "가" * 500})
    clean = {"documents": {"train": {"nfc": 4, "html": 0}}, "rows": {"train": {"exact_duplicates": 2}}}
    cleaned, listed = list_quality_tables({"clean": clean}, removed)
    assert cleaned.rows == [["nfc", "documents", "train", "4"], ["exact_duplicates", "rows", "train", "2"]]
    assert (len(listed.rows), listed.more) == (SHOWN, 20)
    assert len(listed.rows[0][3]) == 160
