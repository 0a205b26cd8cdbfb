"""The stages that learn from what a tuned model writes, one thin command each: load its params, read, call, write."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import typer

from pipeline.cli.loading import (
    ModelFiles,
    ParamsFile,
    find_run,
    load_adapter_as_base,
    load_base_and_prompts,
    load_examples,
)
from pipeline.cli.sections import hand_over, load_stage_params
from pipeline.cli.stages import LEARNT
from pipeline.paths import ADAPTER, BASE, DETAILS, EXPLORED_PREDICTIONS, METRICS, PARAMS, PLOTS, REFINED

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.decoding.decoder import Decoder
    from pipeline.models.prompts import PromptBuilder


@dataclass(frozen=True)
class WriterFiles(ModelFiles):
    """What `pipeline.stages.explore.Writers` asks for: the model that train left, and models of its kind that were
    trained on a part of the documents, which are kept in the scratch root."""

    def find_adapter(self) -> Path:
        return ADAPTER

    def load_half(self, fold: int, examples: "dict[str, pd.DataFrame]") -> "tuple[Decoder, PromptBuilder]":
        """The model without a fold's documents, trained if it is not there yet; goes on where a killed run stopped."""
        from contextlib import nullcontext

        from pipeline.models.processes import join_processes, tell_all
        from pipeline.training.runs import hold_run

        adapter, is_first = self._find_half(fold), join_processes()
        if not tell_all(adapter.is_dir()):
            checkpoints = adapter.with_name(f"{adapter.name}-run")
            with hold_run(checkpoints, [adapter]) if is_first else nullcontext(False) as is_done:
                if not tell_all(is_done):
                    self._train(examples, checkpoints, adapter if is_first else None)
            # the others wait for the one that writes
            tell_all(None)
        return self.load(adapter)

    def _find_half(self, fold: int) -> Path:
        """Named by all that shapes it, the tuned model among that: what it depends on this one does too."""
        from pipeline.models.base import load_base
        from pipeline.models.folders import recover_directory

        params = self.params
        shape = SimpleNamespace(
            seed=params.seed, prompt=params.prompt, model=params.model, lora=params.lora,
            prompt_tuning=params.prompt_tuning, train=params.train, folds=params.explore.folds,
        )  # fmt: skip
        folder = find_run("explore", shape, LEARNT, [load_base(BASE), load_adapter_as_base()]) / f"fold-{fold}"
        recover_directory(folder)
        return folder

    def _train(self, examples: "dict[str, pd.DataFrame]", checkpoints: Path, adapter: Path | None) -> None:
        """As the train stage does, with the tokens that the tuned model knows; writes into `adapter`, if named."""
        from pipeline.models.adapter import save_adapter
        from pipeline.models.devices import set_up_memory
        from pipeline.models.folders import replace_directory
        from pipeline.models.pins import load_teacher_pins
        from pipeline.models.special_tokens import load_special_tokens
        from pipeline.stages.train import train as tune_base
        from pipeline.training.recipe import Recipe

        params, tokens = self.params, load_special_tokens(ADAPTER)
        base, builder = load_base_and_prompts(params, special_tokens=tokens)
        teacher = load_teacher_pins(BASE, params.train.distill)
        recipe = Recipe(
            params.train.select_seed(params.seed), params.model, params.lora, params.prompt_tuning, params.train
        )
        set_up_memory()
        typer.echo(f"explore: trains a model on {len(examples['train'])} documents, to write for the others")
        tuned = tune_base(base, builder, examples, recipe, checkpoints, teacher)
        if adapter:
            with replace_directory(adapter) as folder:
                save_adapter(params.train.method, tuned.model, tuned.tokenizer, folder, tokens)


def explore(params_file: ParamsFile = PARAMS) -> None:
    """Write several candidates of each training document, for refine to learn from; nothing where it is off.

    Example: python -m pipeline explore
    """
    from pipeline.tables import EXPLORED, save_empty_table, save_json, save_table

    params = load_stage_params("explore", params_file)
    if params.refine.method == "none":
        save_empty_table(EXPLORED_PREDICTIONS, EXPLORED)
        save_json({}, DETAILS / "explore.json")
        return
    from pipeline.models.processes import join_processes
    from pipeline.stages.explore import Explorer, describe
    from pipeline.stages.explore import explore as write_candidates

    hand_over("explore", params.explore.processes, params_file)
    is_first = join_processes()
    explorer = Explorer(params.prompt.max_summary_tokens, params.explore, params.refine)
    writers = WriterFiles(params, params.explore.batch_size, "auto")
    examples = load_examples("train", "valid")
    explored = write_candidates(examples, params.explore, explorer, writers, params.seed)
    if not is_first:
        return
    save_table(explored.candidates, EXPLORED_PREDICTIONS, EXPLORED)
    save_json(explored.details, DETAILS / "explore.json")
    for line in [*explored.lines, describe(explored.details)]:
        typer.echo(line)


def refine(params_file: ParamsFile = PARAMS) -> None:
    """Teach the tuned model what scores among its own candidates; goes on where a killed run stopped.

    Example: python -m pipeline refine
    """
    from pipeline.models.adapter import save_adapter, save_adapter_pointer
    from pipeline.models.folders import replace_directory
    from pipeline.tables import EXPLORED, load_table, save_csv, save_json

    params = load_stage_params("refine", params_file)
    if params.refine.method == "none":
        pass_adapter_on()
        return
    from pipeline.models.devices import set_up_memory
    from pipeline.models.special_tokens import load_special_tokens
    from pipeline.stages.refine import describe_run, select_metrics
    from pipeline.stages.refine import refine as refine_adapter
    from pipeline.training.recipe import Recipe
    from pipeline.training.runs import hold_run

    examples, tokens = load_examples("train", "valid"), load_special_tokens(ADAPTER)
    examples["explored"] = load_table(EXPLORED_PREDICTIONS, EXPLORED)
    base, builder = load_base_and_prompts(params, special_tokens=tokens)
    checkpoints = find_run("refine", params, [*LEARNT, EXPLORED_PREDICTIONS], [base, load_adapter_as_base()])
    recipe = Recipe(
        params.train.select_seed(params.seed), params.model, params.lora, params.prompt_tuning, params.train
    )
    set_up_memory()
    with hold_run(checkpoints, REFINED) as is_done:
        if is_done:
            return
        refined = refine_adapter((base, ADAPTER), builder, examples, recipe, params.refine, checkpoints)
        with replace_directory(REFINED[0]) as folder:
            if refined.model is None:
                save_adapter_pointer(ADAPTER, folder)
            else:
                save_adapter(params.train.method, refined.model, refined.tokenizer, folder, tokens)
        save_json(refined.details, DETAILS / "refine.json")
        save_json(select_metrics(refined.details), METRICS / "refine.json")
        save_csv(refined.history, PLOTS / "refine.csv")
    typer.echo(describe_run(refined.details))


def pass_adapter_on() -> None:
    """What refine leaves where it is off: the adapter as it is."""
    from pipeline.models.adapter import save_adapter_pointer
    from pipeline.models.folders import replace_directory
    from pipeline.tables import save_bytes, save_json

    with replace_directory(REFINED[0]) as folder:
        save_adapter_pointer(ADAPTER, folder)
    for path in (DETAILS, METRICS):
        save_json({}, path / "refine.json")
    save_bytes(b"step,loss,valid_rouge\n", PLOTS / "refine.csv")
