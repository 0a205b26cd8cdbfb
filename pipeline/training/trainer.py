"""Hugging Face's Trainer with a summary's loss, a teacher, and ROUGE while it trains."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import kl_div, log_softmax
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, Trainer
from transformers import trainer as hf_trainer
from transformers.trainer_utils import rotate_checkpoints

from pipeline.models.patches import patched
from pipeline.training.batches import IGNORED, Feature, LengthGroupedSampler
from pipeline.training.cross_entropy import sum_cross_entropy
from pipeline.training.objectives import Objective
from pipeline.training.packing import Packing
from pipeline.training.prefixes import load_network, save_network
from pipeline.training.schedules import WARM_RESTARTS, build_warm_restarts, get_optimizer
from pipeline.training.sharing import Examples, SharedSampler

if TYPE_CHECKING:
    from pipeline.params.model_sections import TrainParams


class SummaryTrainer(Trainer):
    """A Trainer over `pipeline.training.batches`.

    Args:
        features: of the training examples.
        params: the `train` section, for the optimizer and the schedule.
        objective: the loss, and what validates beside it.
        packing: is told how each packed batch is packed; None if there are none.
    """

    # compute_loss divides by the labels of the whole accumulated batch
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *,
        features: Sequence[Feature],
        params: "TrainParams",
        objective: Objective,
        packing: Packing | None = None,
        **kwargs: Any,
    ):
        super().__init__(optimizer_cls_and_kwargs=get_optimizer(params), train_dataset=Examples(features), **kwargs)
        self.features = features
        self.params, self.objective = params, objective
        self.packing = packing or Packing()
        # nats and labels of a validation so far
        self.validated = [0.0, 0]
        # makes the Trainer count the labels of the accumulated batch
        self.model_accepts_loss_kwargs = True

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean loss in nats a label; validation is plain cross-entropy, so that runs can be compared."""
        given = self.packing.read({name: value for name, value in inputs.items() if name != "labels"})
        outputs = model(**given, use_cache=False)
        logits, labels = select_labelled(outputs.logits, inputs)
        loss = sum_cross_entropy(logits, labels, self.objective.label_smoothing if model.training else 0.0)
        if not model.training:
            self.validated[0] += loss.detach()
            self.validated[1] += len(labels)
        elif self.objective.teacher is not None:
            loss = self._mix_with_teacher(loss, logits, given, inputs)
        if num_items_in_batch is None:
            loss = loss / len(labels)
        else:
            # the Trainer counts labels over all processes, and DDP averages gradients over them
            loss = loss / num_items_in_batch * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def _mix_with_teacher(
        self, loss: torch.Tensor, logits: torch.Tensor, given: dict[str, Any], inputs: dict[str, Any]
    ) -> torch.Tensor:
        """Soft labels at the label positions; the temperature's square keeps the gradients' size (Hinton 2015, §2)."""
        softness, alpha = self.objective.temperature, self.objective.alpha
        with torch.no_grad():
            wanted, labels = select_labelled(self.objective.teacher(**given, use_cache=False).logits, inputs)
        # rows that only pad a matrix stand behind those of the tokens, and sizes of one family pad it differently
        rows = min(logits.shape[-1], wanted.shape[-1])
        own, wanted = (log_softmax(t[: len(labels), :rows].float() / softness, -1) for t in (logits, wanted))
        soft = kl_div(own, wanted, log_target=True, reduction="sum")
        return (1 - alpha) * loss + alpha * softness**2 * soft

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The schedule of the `train` section."""
        if self.params.lr_scheduler_type != WARM_RESTARTS:
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            self.lr_scheduler = build_warm_restarts(optimizer or self.optimizer, self.params)
        return self.lr_scheduler

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """As the Trainer does, but that the newest checkpoint is the one of the highest step: after the clock has
        jumped back, the Trainer would remove what it has just written."""
        with patched([(hf_trainer, "rotate_checkpoints", _rotate_by_step)]):
            super()._save_checkpoint(model, trial)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        super()._save(output_dir, state_dict)
        save_network(self.model, Path(output_dir or str(self.args.output_dir)))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not load_network(self.model, Path(resume_from_checkpoint)):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_best_model(self) -> None:
        if not load_network(self.model, Path(str(self.state.best_model_checkpoint))):
            super()._load_best_model()

    def _run_epoch(self, *, epoch: int, **given: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One pass over the examples; none where a killed run had been stopped and not yet ended."""
        if any(has_lost_patience(callback) for callback in self.callback_handler.callbacks):
            self.control.should_training_stop = True
            return
        # Accelerate does not reach the sampler where several processes go on in the middle of an epoch
        self.sampler.set_epoch(epoch)
        super()._run_epoch(epoch=epoch, **given)

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthGroupedSampler | SharedSampler:
        size, processes = self.args.train_batch_size, self.accelerator.num_processes
        update = size * self.args.gradient_accumulation_steps * processes
        lengths = [len(feature["input_ids"]) for feature in self.features]
        self.sampler = LengthGroupedSampler(lengths, update, self.args.seed)
        return self.sampler if processes == 1 else SharedSampler(self.sampler, size, processes)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
        """All validation examples for every process: shards of unequal size would count some of them twice."""
        return DataLoader(eval_dataset or self.eval_dataset, self.args.eval_batch_size, collate_fn=self.data_collator)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Validation loss a label, and `eval_rouge` if it was asked for; here, so that callbacks see both."""
        self.validated = [0.0, 0]
        output = super().evaluation_loop(*args, **kwargs)
        assert output.metrics is not None
        if self.validated[1]:
            # the Trainer's own is a mean over batches, which are of different sizes
            nats, labels = self.validated
            output.metrics["eval_loss"] = float(nats) / labels
        if self.objective.rouge is not None:
            self.packing.examples = None
            model: Any = self.model
            training = model.training
            output.metrics["eval_rouge"] = self.objective.rouge(model.eval())
            model.train(training)
        return output


def _rotate_by_step(**given: Any) -> None:
    rotate_checkpoints(**{**given, "use_mtime": False})


def has_lost_patience(callback: Any) -> bool:
    """Whether a callback is early stopping that has seen enough validations without a new best."""
    if not isinstance(callback, EarlyStoppingCallback):
        return False
    return callback.early_stopping_patience_counter >= callback.early_stopping_patience


def select_labelled(logits: torch.Tensor, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """What predicts each label of a batch made by `pipeline.training.batches.Collator`.

    Args:
        logits: (examples, positions, vocabulary); soft prompts may have put positions in front.

    Returns:
        Logits (labels, vocabulary) and labels (labels,); of a packed batch, behind those, logits that predict none.
    """
    labels = inputs["labels"]
    if "examples" in inputs:
        # views: the gradient of an index is a copy of all logits in a tensor of zeros
        return logits.flatten(0, 1), labels[0, 1:]
    logits = logits[:, -labels.shape[1] :]
    if "decoder_input_ids" not in inputs:
        # the logits at a causal position predict the token after it
        logits, labels = logits[:, :-1], labels[:, 1:]
    kept = labels != IGNORED
    return logits[kept], labels[kept]
