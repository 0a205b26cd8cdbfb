"""Every process takes part in every step, and every example is read once."""

from itertools import chain

import pytest
import torch
from accelerate.data_loader import BatchSamplerShard
from builders import build_batch
from torch.utils.data import BatchSampler

from pipeline.training.batches import IGNORED, LengthGroupedSampler
from pipeline.training.objectives import Objective
from pipeline.training.packed_model import packed
from pipeline.training.sharing import Examples, SharedSampler
from pipeline.training.trainer import SummaryTrainer


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("examples", [1, 9, 10, 11, 24])
def test_processes_read_each_example_once_in_as_many_steps_and_in_the_updates_of_one(processes, size, examples):
    update = processes * size
    alone = LengthGroupedSampler([7] * (examples - 1) + [3], update, seed=1)
    alone.set_epoch(2)
    shared = SharedSampler(LengthGroupedSampler(alone.lengths, update, seed=1), size, processes)
    shared.set_epoch(2)
    # as the Trainer and Accelerate read a sampler
    batches = BatchSampler(shared, size, drop_last=False)
    shards = [list(BatchSamplerShard(batches, processes, rank)) for rank in range(processes)]
    expected = list(BatchSampler(alone, update, drop_last=False))
    for place, wanted in enumerate(expected):
        taken = [shard[place] for shard in shards]
        assert all(batch for batch in taken)
        real = [[number for number in batch if number >= 0] for batch in taken]
        assert sorted(chain(*real)) == sorted(wanted)
        # nobody waits for another that has two examples more
        assert max(map(len, real)) - min(map(len, real)) <= 1
        assert {number for batch in taken for number in batch if number < 0} <= {~(examples - 1)}
    assert {len(shard) for shard in shards} == {len(expected)}
    assert len(shared) == len([*chain(*chain(*shards))])


@pytest.mark.parametrize("family", ["gpt2", "gptj", "llama", "t5", "bart"])
def test_step_of_a_stand_in_counts_nothing_and_reaches_every_weight(family, tokenizer, five_rows, make_params):
    model, collator, features = build_batch(family, tokenizer, five_rows, make_params())
    examples = Examples(features)
    # beside a real example it is left out
    mixed, alone = collator([examples[1], examples[~0]]), collator([examples[1]])
    assert all(torch.equal(torch.as_tensor(mixed[name]), torch.as_tensor(alone[name])) for name in alone)
    batch = collator([examples[~0], examples[~2]])
    assert (batch["labels"] == IGNORED).all()
    trainer = SummaryTrainer.__new__(SummaryTrainer)
    teacher = build_batch(family, tokenizer, five_rows, make_params())[0]
    trainer.objective, trainer.accelerator = Objective(0.1, teacher, 2.0, 0.5), type("A", (), {"num_processes": 2})
    with packed(model, teacher) as trainer.packing:
        loss = trainer.compute_loss(model.train(), batch, num_items_in_batch=torch.tensor(7))
        assert loss.item() == 0
        loss.backward()
        assert all(weights.grad is not None and not weights.grad.any() for weights in model.parameters())
        counted = trainer.compute_loss(model.train(), alone, num_items_in_batch=torch.tensor(7))
        assert counted.item() > 0
