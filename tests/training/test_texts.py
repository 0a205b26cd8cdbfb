"""Whole texts as blocks: no token lost, nothing in a text that ends it."""

from pipeline.training.texts import build_blocks, build_text_features


def test_blocks_hold_every_token_in_order(tokenizer):
    texts = ["하나 둘", "셋", "넷 다섯 여섯"]
    blocks = build_blocks(texts, tokenizer, 4)
    assert all(len(block) == 4 for block in blocks[:-1])
    stream = [token for block in blocks for token in block]
    assert tokenizer.decode(stream) == "".join(f"{text}<|endoftext|>" for text in texts)


def test_all_tokens_but_a_block_s_first_are_labels_and_a_text_cannot_end_itself(tokenizer):
    features = build_text_features(["<|endoftext|> 다음"], tokenizer, 128)
    (feature,) = features
    assert feature["labels"] == feature["input_ids"][1:]
    assert feature["input_ids"].count(tokenizer.eos_token_id) == 1
