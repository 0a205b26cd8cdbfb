"""Documents with their references and candidates, as token ids."""

import pandas as pd
import pytest

from pipeline.errors import InputError
from pipeline.models.prompts import PromptBuilder
from pipeline.tables import EXPLORED
from pipeline.training.batches import Collator
from pipeline.training.candidate_features import DOCUMENT, DocumentCollator, build_documents, build_features


def build_explored(*rows):
    return pd.DataFrame([(*row[:2], "", row[2], -1.0, True, row[3]) for row in rows], columns=list(EXPLORED))


@pytest.mark.parametrize("is_encoder_decoder", [False, True])
def test_candidates_stand_best_first_behind_one_prompt(is_encoder_decoder, tokenizer, five_rows, make_params):
    params = make_params(**{"prompt.max_summary_tokens": 24, "decode.max_new_tokens": 24})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 128, is_encoder_decoder)
    explored = build_explored(("a4", 0, [5, 0], 0.1), ("a4", 1, [6, 0], 0.9), ("a4", 2, [7, 0], 0.1), ("a2", 0, [8], 0))
    rows = five_rows.copy()
    rows.at[3, "summaries"] = ["짧다.", *rows["summaries"][3]]
    second, fourth = build_documents(rows, explored, builder)
    assert fourth.candidates == [[6, 0], [5, 0], [7, 0]]
    assert fourth.scores == [0.9, 0.1, 0.1]
    assert fourth.references == builder.build_labels(rows["summaries"][3])
    prompt = builder.build_prompts([rows["text"][3]])[0].input_ids
    assert fourth.prompt == prompt
    assert second.candidates == [[8]]


def test_prompt_leaves_room_for_the_longest_reference(tokenizer, five_rows, make_params):
    params = make_params(**{"prompt.max_summary_tokens": 4, "decode.max_new_tokens": 4})
    builder = PromptBuilder(tokenizer, params.prompt, "head", 64, False)
    rows = five_rows.head(1).copy()
    rows.at[0, "summaries"] = ["짧다.", "서울 축제에 시민 100명이 참여했다. " * 3]
    (document,) = build_documents(rows, build_explored(("a1", 0, [5, 0], 0.1)), builder)
    assert len(document.prompt) + max(map(len, document.references)) == 64


def test_table_without_a_training_document_is_refused(tokenizer, five_rows, make_params):
    builder = PromptBuilder(tokenizer, make_params().prompt, "head", 512, False)
    with pytest.raises(InputError, match=r"explored\.parquet: holds no candidate of a training document"):
        build_documents(five_rows, build_explored(("b1", 0, [5, 0], 0.1)), builder)


def test_a_step_counts_one_item_however_its_labels_are_counted(tokenizer, five_rows, make_params):
    builder = PromptBuilder(tokenizer, make_params().prompt, "head", 512, False)
    documents = build_documents(five_rows, build_explored(("a1", 0, [5, 0], 0.1)), builder)
    collate = DocumentCollator(Collator(1, "left"))
    batch = collate(build_features(documents))
    assert batch[DOCUMENT] is documents[0]
    assert [int((labels != -100).sum()) for labels in (batch["labels"], batch["labels"][:, 1:])] == [1, 1]
    assert "input_ids" in collate([{"input_ids": [5, 6, 0], "labels": [6, 0]}])
