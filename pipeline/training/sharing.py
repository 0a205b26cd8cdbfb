"""How processes share the examples of an epoch: each example is read once, whatever their number.

Accelerate deals a sampler's batches out in turn and fills the last ones up with examples from the epoch's beginning,
which then count twice. Here the last examples are shared out, and what is missing is filled up with stand-ins: an
example without its labels, of which a process that would have nothing to do makes a step that counts nothing. For all
take part in every step, or the others would wait for ever.
"""

from collections.abc import Iterator, Sequence

from torch.utils.data import Dataset, Sampler

from pipeline.training.batches import STAND_IN, Feature, LengthGroupedSampler


class Examples(Dataset[Feature]):
    """Features by their number; a negative one, `~number`, is the stand-in made of a feature."""

    def __init__(self, features: Sequence[Feature]):
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, number: int) -> Feature:
        return self.features[number] if number >= 0 else {**self.features[~number], STAND_IN: []}


class SharedSampler(Sampler[int]):
    """The order of a sampler for several processes that take turns at so many examples."""

    def __init__(self, sampler: LengthGroupedSampler, size: int, processes: int):
        """`size`: examples that a process takes at once."""
        self.sampler, self.size, self.processes = sampler, size, processes
        # the shortest costs least
        self.stand_in = ~min(range(len(sampler)), key=sampler.lengths.__getitem__)

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch."""
        self.sampler.set_epoch(epoch)

    def __len__(self) -> int:
        step = self.size * self.processes
        return -(-len(self.sampler) // step) * step

    def __iter__(self) -> Iterator[int]:
        order = list(self.sampler)
        last = len(order) % (self.size * self.processes)
        yield from order[: len(order) - last]
        if last:
            for rank in range(self.processes):
                share = order[len(order) - last :][rank :: self.processes]
                yield from share + [self.stand_in] * (self.size - len(share))
