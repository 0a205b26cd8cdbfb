"""What an encoder-decoder mends: nothing lost, a share of the tokens, the same draw by seed."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.training.denoising import build_denoising_features, corrupt, draw_spans, infill


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 300), st.sampled_from([0.15, 0.3]), st.integers(0, 9))
def test_spans_take_their_share_and_both_sides_can_be_put_together_again(length, share, seed):
    spans = draw_spans(length, share, random.Random(seed))
    taken = sum(end - start for start, end in spans)
    assert taken == min(max(round(length * share), 1), length - 1)
    # apart from one another
    borders = [place for span in spans for place in span]
    assert borders == sorted(set(borders))
    assert borders[0] >= 0
    assert borders[-1] <= length
    ids, sentinels = list(range(length)), list(range(1000, 1200))
    inputs, labels = corrupt(ids, spans, sentinels)
    written = {}
    for token in labels:
        if token >= 1000:
            current = written.setdefault(token, [])
        else:
            current.append(token)
    assert [t for token in inputs for t in (written[token] if token >= 1000 else [token])] == ids
    masked, whole = infill(ids, spans, 1000)
    assert whole == ids
    assert masked.count(1000) == len(spans)
    assert len(masked) == length - taken + len(spans)


def test_features_of_sentinels_or_of_a_mask_and_a_refusal_of_neither(tokenizer):
    import copy

    texts = ["1일 서울에서 축제가 열렸다. 시민 100명이 참여했다.", "가"]
    with pytest.raises(InputError, match=r"^pretrain\.adapt: the model's tokenizer has neither"):
        build_denoising_features(texts, tokenizer, 16, 1)
    masking = copy.deepcopy(tokenizer)
    masking.add_special_tokens({"mask_token": "<mask>"})
    features = build_denoising_features(texts, masking, 16, 1)
    assert features == build_denoising_features(texts, masking, 16, 1)
    assert any(features != build_denoising_features(texts, masking, 16, seed) for seed in range(2, 9))
    text = [token for feature in features for token in feature["labels"][:-1]]
    assert masking.decode(text).startswith(texts[0])
    assert all(masking.mask_token_id in feature["input_ids"] for feature in features)
    masking.add_tokens([f"<extra_id_{i}>" for i in range(3)])
    features = build_denoising_features(texts, masking, 64, 1)
    ends = {feature["input_ids"][-1] for feature in features} | {feature["labels"][-1] for feature in features}
    assert ends == {masking.eos_token_id}
    first, second, third = (masking.convert_tokens_to_ids(f"<extra_id_{i}>") for i in range(3))
    assert features[0]["labels"][0] == first
    assert features[0]["labels"][-2] in (second, third)
