"""The sections of params.yaml: their keys, types and bounds.

No key has a default: DVC tracks what stands in params.yaml, so a default hidden in code would change a result without
re-running a stage.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, field_validator

from pipeline.params.marks import SpecialTokens

# as pipeline.scoring.rouge.comparison computes them; a list of names here spares params an import of ROUGE
ROUGE_METRICS = ("rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum", "rougeW", "rougeS", "rougeS4")
Positive = Annotated[int, Field(gt=0)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]*$")]
Fraction = Annotated[float, Field(ge=0, lt=1)]


def _are_metrics(metrics: Any) -> Any:
    if unknown := [name for name in metrics if name not in ROUGE_METRICS]:
        raise ValueError(f"{unknown[0]} is not a metric (known: {', '.join(ROUGE_METRICS)})")
    return metrics


def _have_weight(weights: dict[str, float]) -> dict[str, float]:
    if not any(weights.values()):
        raise ValueError("at least one weight must be above 0")
    return weights


Tokenizer = Literal["mecab", "whitespace", "character", "kiwi"]
Weights = Annotated[
    dict[str, Annotated[float, Field(ge=0)]], AfterValidator(_are_metrics), AfterValidator(_have_weight)
]


class Section(BaseModel):
    """A frozen section that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _are_files(names: Any) -> str | list[str]:
    many = [names] if isinstance(names, str) else names
    # one message; pydantic would give one for each member of the union
    if not (isinstance(many, list) and many and all(isinstance(name, str) and name for name in many)):
        raise ValueError("must be a file, a folder, a zip, or a list of these")
    if any("\0" in name for name in many):
        raise ValueError("must hold no NUL")
    return names


Files = Annotated[str | list[str], PlainValidator(_are_files)]
# as pipeline.competition.layouts.reading knows them; a list of names here spares params an import of the readers
Layout = Literal[
    "auto", "ai_connect", "csv", "json", "jsonl", "parquet", "dacon", "aihub_document", "aihub_report", "nikl",
    "hunminjeongeum", "upstage", "kobart",
]  # fmt: skip


class ExtraParams(Section):
    path: Files = Field(description="In data.folder: a file, a folder, a zip, or a list of these.")
    layout: Layout = Field(description="As data.layout.")
    weight: float = Field(gt=0, description="Rows drawn for each own training row; 0.25 mixes 8 : 2.")


class DataParams(Section):
    folder: Name = Field(description="The folder that DVC watches; the files below are named in it.")
    train: Files = Field(description="Documents with summaries: a file, a folder, a zip, or a list of these.")
    test: Files = Field(description="Documents to summarize: a file, a folder, a zip, or a list of these.")
    sample_submission: Name = Field(description="The organiser's sample; the export equals it in form.")
    layout: Layout = Field(description="How documents lie in the files; auto: told by what stands in them.")
    encoding: Literal["auto", "utf-8", "cp949", "utf-16"] = Field(description="Encoding; auto: found file by file.")
    id_column: Name = Field(description="Column or key of the example's id, where the layout has none of its own.")
    text_column: Name = Field(description="Column or key of the document, where the layout has none of its own.")
    summary_column: Name = Field(description="Column or key of the summary, where the layout has none of its own.")
    limit: Positive | None = Field(description="Use only this many training rows, drawn by seed; null for all.")
    extra: list[ExtraParams] = Field(description="Further data sets to learn from, at ratios.")


class CleanParams(Section):
    html: bool = Field(description="Tags, comments and entities that a web page left.")
    control_characters: bool = Field(description="Control and zero-width characters.")
    nfc: bool = Field(description="Hangul and accents composed (Unicode NFC).")
    bylines: bool = Field(description="Of documents: the reporter before and after an article.")
    contacts: bool = Field(description="Of documents: e-mail addresses and copyright lines that stand alone.")
    whitespace: bool = Field(description="Runs of white space, and more than one empty line.")
    empty_summaries: bool = Field(description="Leave out training rows without text or summary instead of refusing.")
    copied_summaries: bool = Field(description="Leave out training rows whose summary is the whole document.")
    longer_summaries: bool = Field(description="Leave out training rows whose summary is longer than the document.")
    exact_duplicates: bool = Field(description="Leave out training rows with text and summaries of an earlier one.")
    near_duplicates: bool = Field(description="Leave out training rows whose document nearly is an earlier one's.")
    near_copies_to_train: bool = Field(description="Validation rows that nearly copy train are moved to train.")


class PreprocessParams(Section):
    valid_fraction: float = Field(gt=0, lt=1, description="Share of the training rows held out for validation.")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        description="Split into so many folds and validate on one, instead of valid_fraction; null for a single split."
    )
    fold: int = Field(ge=0, description="The fold to validate on, counted from 0; python -m pipeline folds runs all.")
    clean: CleanParams
    truncation: Literal["auto", "head", "tail", "head_tail", "salient"] = Field(
        description="What of a too long document is kept; auto: what keeps most of the training summaries' words."
    )


class PromptParams(Section):
    template: str = Field(description="The prompt; {text} stands for the document.")
    max_document_tokens: Positive | None = Field(description="Cap on a document's tokens; null for the context's.")
    max_summary_tokens: Positive = Field(description="Tokens of the context kept free for the summary.")
    shots: int = Field(ge=0, description="Solved training examples in front of each document (few-shot).")

    @field_validator("template")
    @classmethod
    def _has_one_text(cls, template: str) -> str:
        if template.count("{text}") != 1:
            raise ValueError("must contain {text} exactly once")
        if re.search("[\0\ud800-\udfff]", template):
            raise ValueError("must hold neither NUL nor half a character (a lone surrogate)")
        return template


class GenerationParams(Section):
    opening_sentences: Positive = Field(description="Sentences of a validation text that are given as its opening.")
    block_size: Annotated[int, Field(ge=2)] | None = Field(
        description="Tokens of text learnt as one example; null for the model's context."
    )
    include_opening: bool = Field(description="Whether a submitted text begins with its opening.")


class ModelParams(Section):
    name: Name = Field(description="scratch, pair (encoder and decoder below), a hub id, or a folder.")
    revision: str | None = Field(description="Branch, tag or commit of a hub model; pinned to a commit by pretrain.")
    encoder: Name | None = Field(description="For pair: hub id or folder of a BERT-type model that reads.")
    decoder: Name | None = Field(description="For pair: hub id or folder of a BERT-type model that writes.")
    architecture: Literal["auto", "causal", "encoder-decoder"] = Field(description="auto reads the model's config.")
    precision: Literal["auto", "bf16", "fp16", "fp32"] = Field(description="auto: bf16 where the device computes it.")
    quantization: Literal["8bit", "4bit"] | None = Field(description="Frozen weights by bitsandbytes, made for CUDA.")
    device_map: Literal["auto"] | None = Field(description="auto: Accelerate spreads weights over GPUs and CPU.")
    trust_remote_code: bool = Field(description="Run Python code that comes with the model.")
    special_tokens: SpecialTokens = Field(description="Marks that are one token each; auto: found in the documents.")


class AdaptParams(Section):
    method: Literal["none", "lora", "full"] = Field(
        description="Go on pretraining a pretrained base: nothing, by LoRA that is merged, or all its weights."
    )
    r: Positive = Field(description="lora: rank of the update matrices, on all linear layers.")
    lora_alpha: Positive = Field(description="lora: scale of the update; it is multiplied by lora_alpha / r.")
    num_train_epochs: Positive = Field(description="Passes over the texts; the best by held-out text is kept.")
    per_device_train_batch_size: Positive = Field(description="Blocks of text a step.")
    gradient_accumulation_steps: Positive = Field(description="Steps whose gradients are added before an update.")
    gradient_checkpointing: bool = Field(description="Compute activations again instead of keeping them.")
    block_size: Annotated[int, Field(ge=8)] = Field(description="Tokens in a block of text.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW, under a cosine.")
    warmup_steps: int = Field(ge=0, description="Updates over which the learning rate rises.")
    held_out: float = Field(gt=0, lt=1, description="Share of the texts that measures perplexity and is not learnt.")

    def build_lora(self, **others: Any) -> "LoraParams":
        """The section `lora` of a run that reads on; `others` are the keys that this one has not."""
        return LoraParams.model_validate({"r": self.r, "lora_alpha": self.lora_alpha, **others})

    def build_train(self, **others: Any) -> "TrainParams":
        """The section `train` of such a run."""
        return TrainParams.model_validate({**self.model_dump(include=set(TrainParams.model_fields)), **others})


class PretrainParams(Section):
    text: list[Literal["train", "valid", "test", "extra"]] = Field(
        min_length=1, description="Whose documents are read (of train and extra, summaries too)."
    )
    vocab_size: int = Field(ge=300, description="Byte-level BPE tokens of the scratch tokenizer.")
    rebalance: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        description="Merge tokens that follow one another with a higher probability (Fu et al. 2021); null: none."
    )
    n_positions: Positive = Field(description="Context of the scratch model, in tokens.")
    n_embd: Positive = Field(description="Width of the scratch model.")
    n_layer: Positive = Field(description="Layers of the scratch model.")
    n_head: Positive = Field(description="Attention heads of the scratch model.")
    num_train_epochs: Positive = Field(description="Passes over the texts.")
    per_device_train_batch_size: Positive = Field(description="Blocks of text a step.")
    block_size: Positive = Field(description="Tokens in a block of text.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    adapt: AdaptParams


class LoraParams(Section):
    r: Positive = Field(description="Rank of the update matrices.")
    lora_alpha: Positive = Field(description="Scale of the update; it is multiplied by lora_alpha / r.")
    lora_dropout: Fraction = Field(description="Dropout before the update matrices.")
    target_modules: str | list[str] = Field(description="auto, all-linear, or names of modules.")
    use_rslora: bool = Field(description="Scale by lora_alpha / sqrt(r) (Kalajdzievski 2023).")
    use_dora: bool = Field(description="Learn magnitude and direction apart (Liu et al. 2024).")
    init_lora_weights: Literal[True, False, "gaussian", "pissa", "olora", "orthogonal"] = Field(
        description="true: peft's default, B = 0; or gaussian, pissa, olora, orthogonal."
    )

    @field_validator("target_modules", mode="plain")
    @classmethod
    def _names_modules(cls, targets: Any) -> str | list[str]:
        names = [targets] if isinstance(targets, str) else targets
        # one message; pydantic would give one for each member of the union
        if not (isinstance(names, list) and names and all(isinstance(name, str) and name for name in names)):
            raise ValueError("must be auto, all-linear, or names of modules")
        return targets


class PromptTuningParams(Section):
    num_virtual_tokens: Positive = Field(
        description="Trained vectors in front of the prompt, or of every layer's keys."
    )
    prompt_tuning_init_text: Name | None = Field(description="prompt_tuning: begin at this text's embeddings.")
    prefix_projection: bool = Field(description="prefix_tuning: make the prefix by a small network (Li & Liang 2021).")


class DistillParams(Section):
    teacher: Name | None = Field(description="Folder or hub id of a tuned model with the same tokenizer; null: none.")
    temperature: float = Field(gt=0, description="Softens both distributions (Hinton et al. 2015).")
    alpha: float = Field(ge=0, le=1, description="Share of the teacher's soft labels in the loss.")
    trust_remote_code: bool = Field(description="Run Python code that comes with the teacher.")


class TrainParams(Section):
    method: Literal["lora", "prompt_tuning", "prefix_tuning", "full", "none"] = Field(description="What is tuned.")
    num_train_epochs: Positive = Field(description="Passes over the training examples.")
    per_device_train_batch_size: Positive = Field(
        description="Examples a step on a device; on a CPU, fewer where that is as fast."
    )
    gradient_accumulation_steps: Positive = Field(description="Steps whose gradients are added before an update.")
    auto_find_batch_size: bool = Field(description="Halve the batch when memory runs out, accumulate twice as long.")
    gradient_checkpointing: bool = Field(description="Compute activations again instead of keeping them.")
    optim: Literal["adamw", "adam"] = Field(description="AdamW, or Adam with weight decay in the gradient.")
    learning_rate: float = Field(gt=0, description="Peak learning rate.")
    lr_scheduler_type: Literal["linear", "cosine", "constant_with_warmup", "cosine_warm_restarts"] = Field(
        description="As transformers names them, and SGDR's cosine with warm restarts (Loshchilov & Hutter 2017)."
    )
    T_0: Positive = Field(description="cosine_warm_restarts: steps of the first cycle.")
    T_mult: Positive = Field(description="cosine_warm_restarts: each cycle is this many times longer than the last.")
    warmup_steps: int = Field(ge=0, description="Updates over which the learning rate rises.")
    weight_decay: float = Field(ge=0, description="Weight decay; AdamW's is decoupled.")
    max_grad_norm: float = Field(gt=0, description="Norm to which gradients are clipped.")
    label_smoothing_factor: Fraction = Field(description="Share of the target spread over the vocabulary.")
    eval_steps: Positive | None = Field(description="Validate and checkpoint every so many updates; null: each epoch.")
    metric_for_best_model: Literal["loss", "rouge"] = Field(description="What is best on validation.")
    rouge_examples: Positive = Field(description="rouge: validation documents summarized greedily each time.")
    load_best_model_at_end: bool = Field(description="Keep the best checkpoint instead of the last.")
    early_stopping_patience: Positive | None = Field(description="Stop after so many validations without a new best.")
    processes: Positive = Field(description="Processes on this machine that share each batch (DDP).")
    distill: DistillParams


class HalvingParams(Section):
    budget: float = Field(gt=0, lt=1, description="Share of the whole grid's rows that the search may decode.")
    tokenizer: Tokenizer = Field(description="That of score.tokenizer.")
    weights: Weights = Field(description="Those of score.weights.")


class DecodeParams(Section):
    engine: Literal["auto", "shared", "generate"] = Field(
        description="shared: all configurations in one pass; generate: one by one; auto: shared if it serves the model."
    )
    batch_size: Positive | None = Field(description="Documents decoded together; null: as many as memory holds.")
    processes: Positive = Field(description="Processes on this machine that share the documents.")
    max_new_tokens: Positive = Field(description="Cap on a summary's tokens.")
    untuned: bool = Field(description="Also decode greedily with the base alone, for the leaderboard.")
    few_shot: int = Field(ge=0, description="Solved examples in front of each document for another such row; 0: none.")
    map_reduce: bool = Field(
        description="Also summarize documents that do not fit part by part, and the join of the parts' summaries."
    )
    search: Literal["grid", "halving"] = Field(
        description="grid: every configuration for every document; halving: the worse half is dropped again and again."
    )
    halving: HalvingParams
    grid: dict[str, dict[str, Any]] = Field(description="Named families; every list in one is an axis.")


class ConsensusParams(Section):
    pools: list[Annotated[str, Field(pattern=r"^[\w-]+(\+[\w-]+)*$")]] = Field(
        description="Rows of consensus: all, greedy, beam, samples, top-K, families of the grid, or some joined by +."
    )
    weighted: bool = Field(description="Candidates of better configurations count more as references.")


class ScoreParams(Section):
    tokenizer: Tokenizer = Field(description="The board's; it selects.")
    select: Literal["expected", "cheapest"] = Field(
        description="expected: the row expected to score best; cheapest: the cheapest that noise does not tell from it."
    )
    weights: Weights = Field(description="What makes one number of the metrics' F1; normalised to sum 1.")
    extra_metrics: Annotated[list[str], AfterValidator(_are_metrics)] = Field(
        description="Further metrics to show, which do not select."
    )
    external: list[str] = Field(description="id,summary files in data/external/ to rank beside the configurations.")
    consensus: ConsensusParams
    resamples: int = Field(ge=100, description="Paired bootstrap resamples.")
    confidence: float = Field(gt=0, lt=1, description="Coverage of the bootstrap intervals.")

    @field_validator("external")
    @classmethod
    def _are_where_dvc_looks(cls, files: list[str]) -> list[str]:
        if outside := [name for name in files if not re.fullmatch(r"data/external/[^/]+\.csv", name)]:
            raise ValueError(f"{outside[0]} is not a .csv file in data/external/, which the score stage depends on")
        return files


class PredictParams(Section):
    use: str = Field(description="best, or the name of a leaderboard row.")
    batch_size: Positive | None = Field(description="Documents decoded together; null: as many as memory holds.")
    processes: Positive = Field(description="Processes on this machine that share the documents.")
    fill_empty: Literal["refuse", "lead-1", "lead-3", "tail-1"] = Field(
        description="What takes the place of an empty prediction; refuse leaves it for export to refuse."
    )


class FormatParams(Section):
    suffix: Literal["csv", "json", "jsonl"] = Field(description="The file's kind; json: a list of records.")
    encoding: Literal["sample", "utf-8", "utf-8-sig", "cp949"] = Field(description="utf-8-sig opens in Excel.")
    line_end: Literal["sample", "lf", "crlf"] = Field(description="What ends a line.")
    quoting: Literal["sample", "minimal", "all"] = Field(description="Quotes around cells that need them, or all.")


class ExportParams(Section):
    name: str = Field(pattern=r"^[\w.-]+$", description="The submission's file name, without its suffix.")
    format: FormatParams

    @field_validator("name")
    @classmethod
    def _leaves_the_ledger(cls, name: str) -> str:
        if name == "ledger":
            raise ValueError("submissions/ledger.csv was the history of submissions; choose another name")
        return name
