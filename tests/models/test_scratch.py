"""The scratch tokenizer: of a large text it learns from a part, spread over the whole."""

from pipeline.models import scratch
from pipeline.models.scratch import build_scratch_tokenizer
from pipeline.models.tokenizer import build_bpe_tokenizer


def test_tokenizer_is_learnt_from_every_so_many_texts_where_there_are_many(make_params, monkeypatch):
    params = make_params(**{"pretrain.vocab_size": 300}).pretrain
    texts = [f"{'서울' if n % 3 else '부산'}에서 열린 {n}번째 축제" for n in range(40)]
    whole = build_scratch_tokenizer(texts, params).get_vocab()
    assert whole == build_bpe_tokenizer(texts, 300, params.n_positions).get_vocab()
    monkeypatch.setattr(scratch, "LEARNT_CHARACTERS", sum(map(len, texts)) // 3 + 1)
    part = build_scratch_tokenizer(texts, params).get_vocab()
    assert part == build_bpe_tokenizer(texts[::3], 300, params.n_positions).get_vocab() != whole
