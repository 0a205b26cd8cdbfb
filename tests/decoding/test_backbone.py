"""What a model may ask of its attention."""

import pytest
import torch

from pipeline.decoding.backbone import attend


@pytest.mark.parametrize("name", ["softcap", "sliding_window", "s_aux"])
def test_attention_that_asks_for_more_is_refused(name):
    tensor = torch.zeros(1, 2, 1, 4)
    with pytest.raises(NotImplementedError, match=name):
        attend(torch.nn.Module(), tensor, tensor, tensor, None, **{name: 3})


def test_prompts_of_one_token_and_lots_of_documents_are_taken_in():
    from builders import build_tiny_model

    from pipeline.decoding import backbone as module

    model = build_tiny_model("llama", 60)
    together = module.Backbone(model, 4)
    prompts = [[5, 6, 7, 8], [9], [10, 11]]
    with torch.inference_mode():
        together.prefill(prompts)
        together.cache.arrange([-1] * 3, 0)
        logits = together.step([8, 9, 11], [0, 1, 2], [0, 0, 0])
        for prompt, own in zip(prompts, logits, strict=True):
            torch.testing.assert_close(own, model(torch.tensor([prompt])).logits[0, -1], atol=1e-4, rtol=1e-4)
