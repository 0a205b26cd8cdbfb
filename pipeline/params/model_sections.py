"""The sections about what is made: model, pretrain, lora, prompt_tuning, train."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from pipeline.params.marks import SpecialTokens
from pipeline.params.section import Fraction, Name, Positive, Section


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
    seed: int | None = Field(ge=0, lt=2**32, description="Of the training, not the split; null: the project's seed.")
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
    processes: Positive = Field(description="Processes on this machine that share each batch.")
    parallel: Literal["ddp", "fsdp"] = Field(
        description="Each process holds the whole model, or (FSDP2) a share of it, for one that no GPU holds."
    )
    distill: DistillParams

    def select_seed(self, seed: int) -> int:
        """Of the training: its own, or else the project's."""
        return seed if self.seed is None else self.seed


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
