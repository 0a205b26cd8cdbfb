"""A LoRA step of a GPT-J, written out by hand: how fast the default base can be trained at all by torch's operations.

Forward, backward and update without modules, autograd or a Trainer, for documents that are all of one length. Whatever
memory buys is bought: attention weights and activations are kept, so nothing is computed again. Sums are made by the
products, and the last layer computes what its labels need. It is no program to train with, but a bound for those that
are: `train_step.py --by-hand` times it. Run by itself it compares its gradients, in fp32, with the train stage's.
"""

import json
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from step_shapes import RANK, SHAPES
from torch import Tensor

from pipeline.progress import quieten_libraries
from pipeline.training.cross_entropy import sum_cross_entropy
from pipeline.training.fused import fused
from pipeline.training.packed_model import packed
from pipeline.training.packing import build_row

# documents of a batch, their tokens, the last of which are labels; the court's have 496 and 85 on average
DOCUMENTS, LENGTH, LABELS = 8, 480, 80
# positions of the last layer that are computed, and queries that meet their keys at once
LAST, BLOCK = 96, 128
SCALING = 2.0
NAMES = {"q": "attn.q_proj", "k": "attn.k_proj", "v": "attn.v_proj", "o": "attn.out_proj"}
NAMES |= {"up": "mlp.fc_in", "down": "mlp.fc_out"}


class Step:
    """Weights of a GPT-J, its factors in fp32, and what a step needs.

    Args:
        model: adapted by LoRA on all linear layers, rank to alpha as 1 to `SCALING`, without dropout.
    """

    def __init__(self, model: Any):
        bare = model.get_base_model()
        self.dtype = bare.dtype
        self.embedding = bare.transformer.wte.weight
        self.norm, self.head = bare.transformer.ln_f, bare.lm_head
        self.layers = [self._read(block) for block in bare.transformer.h]
        self.factors = [f for layer in self.layers for pair in layer["factors"].values() for f in pair]
        self.optimizer = torch.optim.AdamW(self.factors, lr=2e-4, weight_decay=0.0, fused=True)
        self.heads, self.size = bare.config.n_head, bare.config.n_embd // bare.config.n_head
        angles = bare.transformer.h[0].attn.embed_positions[:LENGTH].to(self.dtype).float()
        sine, cosine = angles.chunk(2, -1)
        self.turns = torch.complex(cosine, sine)[:, None]
        self.scale = self.size**-0.25
        self.future = torch.full((BLOCK, BLOCK), float("-inf"), dtype=self.dtype).triu_(1)
        kept = torch.arange(DOCUMENTS)[:, None] * LENGTH + torch.arange(LENGTH - LAST, LENGTH)
        self.kept = kept.flatten()
        predicts = torch.arange(DOCUMENTS)[:, None] * LAST + torch.arange(LAST - LABELS - 1, LAST - 1)
        self.predicts = predicts.flatten()

    def _read(self, block: Any) -> dict[str, Any]:
        layers = {name: block.get_submodule(path) for name, path in NAMES.items()}
        return {
            "norm": block.ln_1,
            "weights": {name: layer.base_layer.weight for name, layer in layers.items()},
            "bias": {name: layers[name].base_layer.bias for name in ("up", "down")},
            "factors": {n: (m.lora_A["default"].weight, m.lora_B["default"].weight) for n, m in layers.items()},
        }

    @torch.no_grad()
    def run(self, ids: Tensor) -> float:
        """Forward, backward and update; the loss. `ids`: (documents x tokens,)"""
        loss = self.compute_gradients(ids)
        torch.nn.utils.clip_grad_norm_(self.factors, 1.0)
        self.optimizer.step()
        return loss

    @torch.no_grad()
    def compute_gradients(self, ids: Tensor) -> float:
        """Into the factors' `grad`; the mean loss of the labels."""
        labels = ids.view(DOCUMENTS, LENGTH)[:, -LABELS:].flatten()
        hidden = self.embedding[ids]
        states = []
        for number, layer in enumerate(self.layers):
            is_last = number == len(self.layers) - 1
            state: dict[str, Any] = {"is_last": is_last}
            hidden = self.read_layer(layer, hidden, state)
            states.append(state)
        hidden = hidden[self.predicts]
        read, mean, deviation = self.normalize(self.norm, hidden)
        logits = torch.addmm(self.head.bias, read, self.head.weight.t())
        shares = logits.log_softmax(-1, dtype=torch.float32)
        loss = -shares.gather(1, labels[:, None]).mean()
        shares.exp_()
        shares[torch.arange(len(labels)), labels] -= 1
        shares /= len(labels)
        d_read = shares.to(self.dtype) @ self.head.weight
        d_kept = self.normalize_back(self.norm, d_read, hidden, mean, deviation)
        gradient = torch.zeros(DOCUMENTS * LAST, d_kept.shape[1], dtype=self.dtype)
        gradient[self.predicts] = d_kept
        for number in reversed(range(len(self.layers))):
            gradient = self.follow_layer_back(self.layers[number], gradient, states[number], number == 0)
        return float(loss)

    @staticmethod
    def normalize(norm: Any, hidden: Tensor) -> Any:
        return torch.native_layer_norm(hidden, norm.normalized_shape, norm.weight, norm.bias, norm.eps)

    @staticmethod
    def normalize_back(norm: Any, gradient: Tensor, hidden: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        return torch.ops.aten.native_layer_norm_backward(
            gradient, hidden, norm.normalized_shape, mean, deviation, norm.weight, norm.bias, [True, False, False]
        )[0]

    def read_layer(self, layer: Any, hidden: Tensor, state: dict[str, Any]) -> Tensor:
        """The layer's output, in the last at the kept positions alone."""
        weights, bias = layer["weights"], layer["bias"]
        # of each in the compute precision, the second scaled
        down = {name: f[0].to(self.dtype) for name, f in layer["factors"].items()}
        up = {name: (f[1] * SCALING).to(self.dtype) for name, f in layer["factors"].items()}
        normed, state["mean"], state["deviation"] = self.normalize(layer["norm"], hidden)
        state |= {"hidden": hidden, "normed": normed, "down": down, "up": up}
        if state["is_last"]:
            state["few"] = normed[self.kept]
        inner, outputs = {}, {}
        for source, names in self.list_readers(state):
            for name in names:
                inner[name] = source @ down[name].t()
                weight = weights[name].t()
                output = torch.addmm(bias[name], source, weight) if name in bias else source @ weight
                outputs[name] = output.addmm_(inner[name], up[name].t())
        attended = self.attend(outputs, state)
        wide = outputs["up"]
        active = torch.nn.functional.gelu(wide)
        residual = hidden[self.kept] if state["is_last"] else hidden
        # sums over parts are made by the products
        output = torch.addmm(residual, attended, weights["o"].t())
        output.addmm_(active, weights["down"].t())
        output += bias["down"]
        inner["o"], inner["down"] = attended @ down["o"].t(), active @ down["down"].t()
        output.addmm_(inner["o"], up["o"].t()).addmm_(inner["down"], up["down"].t())
        state |= {"inner": inner, "attended": attended, "wide": wide, "active": active}
        return output

    def turn(self, rows: Tensor, turns: Tensor) -> Tensor:
        """(documents x tokens, width) -> (documents x heads, tokens, head size), each head's pairs turned."""
        numbers = torch.view_as_complex(rows.float().view(DOCUMENTS, -1, self.heads, turns.shape[-1], 2)) * turns
        return self.split_heads(torch.view_as_real(numbers).flatten(-2).to(self.dtype))

    def split_heads(self, rows: Tensor) -> Tensor:
        return rows.view(DOCUMENTS, -1, self.heads, self.size).transpose(1, 2).flatten(0, 1).contiguous()

    def join_heads(self, parts: Tensor) -> Tensor:
        return parts.view(DOCUMENTS, self.heads, -1, 64).transpose(1, 2).reshape(-1, self.heads * self.size)

    def turn_back(self, parts: Tensor, turns: Tensor) -> Tensor:
        rows = self.join_heads(parts).float().view(DOCUMENTS, -1, self.heads, turns.shape[-1], 2)
        return torch.view_as_real(torch.view_as_complex(rows) * turns).to(self.dtype).view(-1, self.heads * self.size)

    def list_blocks(self, is_last: bool) -> list[tuple[int, int, int]]:
        """First and one past the last query of each block, and keys that it sees."""
        if is_last:
            return [(0, LAST, LENGTH)]
        return [(first, min(first + BLOCK, LENGTH), min(first + BLOCK, LENGTH)) for first in range(0, LENGTH, BLOCK)]

    def attend(self, outputs: dict[str, Tensor], state: dict[str, Any]) -> Tensor:
        turns = self.turns[-LAST:] if state["is_last"] else self.turns
        # the scale's root goes with each of queries and keys
        query, key = self.turn(outputs["q"], turns * self.scale), self.turn(outputs["k"], self.turns * self.scale)
        value = self.split_heads(outputs["v"])
        attended, state["blocks"] = torch.empty_like(query), []
        for first, end, seen in self.list_blocks(state["is_last"]):
            scores = torch.bmm(query[:, first:end], key[:, :seen].transpose(1, 2))
            scores[:, :, first - end :] += self.future[: end - first, : end - first]
            shares = scores.softmax(-1)
            attended[:, first:end] = torch.bmm(shares, value[:, :seen])
            state["blocks"].append((first, end, seen, shares))
        state |= {"query": query, "key": key, "value": value, "turns": turns}
        return self.join_heads(attended)

    def attend_back(self, gradient: Tensor, state: dict[str, Any]) -> dict[str, Tensor]:
        query, key, value = state["query"], state["key"], state["value"]
        d_attended = self.split_heads(gradient)
        d_query, d_key, d_value = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        for first, end, seen, shares in reversed(state["blocks"]):
            own, d_own = query[:, first:end], d_attended[:, first:end]
            d_shares = torch.bmm(d_own, value[:, :seen].transpose(1, 2))
            d_scores = torch.ops.aten._softmax_backward_data(d_shares, shares, -1, shares.dtype)
            d_query[:, first:end] = torch.bmm(d_scores, key[:, :seen])
            # the last block, which comes first, sees all keys
            beta = float(seen < LENGTH)
            d_key[:, :seen].baddbmm_(d_scores.transpose(1, 2), own, beta=beta)
            d_value[:, :seen].baddbmm_(shares.transpose(1, 2), d_own, beta=beta)
        d_queries = self.turn_back(d_query, state["turns"].conj() * self.scale)
        d_keys = self.turn_back(d_key, self.turns.conj() * self.scale)
        return {"q": d_queries, "k": d_keys, "v": self.join_heads(d_value)}

    def follow_layer_back(self, layer: Any, gradient: Tensor, state: dict[str, Any], is_first: bool) -> Any:
        """Gradients of the factors, into their `grad`, and that of the layer's input."""
        weights, down = layer["weights"], state["down"]
        back = {}
        for name, source in (("o", state["attended"]), ("down", state["active"])):
            d_inner = self.keep(layer, name, gradient, source, state)
            back[name] = (gradient @ weights[name]).addmm_(d_inner, down[name])
        d_outputs = self.attend_back(back["o"], state)
        d_outputs["up"] = torch.ops.aten.gelu_backward(back["down"], state["wide"])
        sums = []
        for source, names in self.list_readers(state):
            d_inners = [self.keep(layer, name, d_outputs[name], source, state) for name in names]
            if not is_first:
                total = d_outputs[names[0]] @ weights[names[0]]
                for name in names[1:]:
                    total.addmm_(d_outputs[name], weights[name])
                sums.append(total.addmm_(torch.cat(d_inners, 1), torch.cat([down[name] for name in names])))
        if is_first:
            return None
        d_normed = sums[0]
        if state["is_last"]:
            d_normed.index_add_(0, self.kept, sums[1])
        d_hidden = self.normalize_back(layer["norm"], d_normed, state["hidden"], state["mean"], state["deviation"])
        if state["is_last"]:
            return d_hidden.index_add_(0, self.kept, gradient)
        return d_hidden.add_(gradient)

    @staticmethod
    def list_readers(state: dict[str, Any]) -> list[tuple[Tensor, tuple[str, ...]]]:
        """What the layer's norm gives, and who reads it."""
        if state["is_last"]:
            return [(state["normed"], ("k", "v")), (state["few"], ("q", "up"))]
        return [(state["normed"], ("q", "k", "v", "up"))]

    @staticmethod
    def keep(layer: Any, name: str, d_output: Tensor, source: Tensor, state: dict[str, Any]) -> Tensor:
        """The factors' gradients into their `grad`, and what goes back to the first factor's output."""
        d_inner = d_output @ state["up"][name]
        down, up = layer["factors"][name]
        down.grad = (d_inner.t() @ source).float()
        up.grad = (d_output.t() @ state["inner"][name]).float().mul_(SCALING)
        return d_inner


def compute_reference(model: Any, ids: Tensor) -> float:
    """Gradients by the train stage's own forward pass and autograd; the loss."""
    rows = ids.view(DOCUMENTS, LENGTH).tolist()
    model.zero_grad()
    with fused(model), packed(model) as packing:
        batch = packing.read(build_row(rows, [LABELS] * DOCUMENTS))
        logits = model(**batch, use_cache=False).logits[0]
        labels = torch.tensor([token for row in rows for token in row[-LABELS:]])
        loss = sum_cross_entropy(logits, labels) / len(labels)
        loss.backward()
    return loss.item()


def main() -> None:
    quieten_libraries()
    torch.manual_seed(0)
    lora = LoraConfig(r=RANK, lora_alpha=SCALING * RANK, target_modules="all-linear", init_lora_weights=False)
    model: Any = get_peft_model(SHAPES["sample"](), lora)
    ids = torch.randint(2, 2000, (DOCUMENTS * LENGTH,))
    step = Step(model)
    losses = [compute_reference(model, ids)]
    expected = [factor.grad.clone() for factor in step.factors]
    losses.append(step.compute_gradients(ids))
    apart = max(float((f.grad - e).norm() / e.norm()) for f, e in zip(step.factors, expected, strict=True))
    print(json.dumps({"losses": losses, "largest_relative_difference": apart}))


if __name__ == "__main__":
    main()
