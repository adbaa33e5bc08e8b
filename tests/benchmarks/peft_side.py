"""The side of PEFT: prompt tuning of transformers' T5, as its documentation has it."""

import time
from typing import Any

import peft
import torch
import transformers
from transformers.optimization import Adafactor
from work import DECODED, LABELS, VOCABULARY, Work, answered, batches

KINDS = {
    "soft": peft.PromptTuningConfig,
    # Beside the decoder's own positions alone, whatever it is asked.
    "decoder kv": peft.PrefixTuningConfig,
}
_ADAFACTOR = {
    "lr": 0.3,
    "scale_parameter": False,
    "relative_step": False,
    "warmup_init": False,
    "decay_rate": -0.8,
    "weight_decay": 1e-5,
}


def device() -> str:
    """Returns where torch computes."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def model_of(work: Work) -> torch.nn.Module:
    """Returns a T5 with random weights and a prompt in front of it."""
    torch.manual_seed(work.seed)
    size = work.dimensions()
    config = transformers.T5Config(
        vocab_size=VOCABULARY,
        d_model=size["d_model"],
        d_kv=size["d_head"],
        d_ff=size["d_mlp"],
        num_layers=size["encoder_layers"],
        num_decoder_layers=size["decoder_layers"],
        num_heads=size["heads"],
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        dropout_rate=work.dropout,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    asked = {"attn_implementation": work.attention} if work.attention else {}
    before = torch.get_default_dtype()
    # On a GPU and in the dtype that is asked for, or XL takes minutes to draw.
    torch.set_default_dtype(getattr(torch, work.weights))
    try:
        with torch.device(device()):
            base = transformers.T5ForConditionalGeneration._from_config(config, **asked)
    finally:
        torch.set_default_dtype(before)
    with torch.no_grad():
        # Or the decoder says the same token for ever, and decoding ends early or never.
        base.lm_head.weight.normal_(0, size["d_model"] ** -0.5)
    if work.remat != "none":
        base.gradient_checkpointing_enable({"use_reentrant": False})
    own = {"num_virtual_tokens": work.prompt}
    if work.kind == "soft":
        # Without it a prompt is twice as long, of which half is never read.
        own |= {"num_transformer_submodules": 1, "prompt_tuning_init": "SAMPLE_VOCAB"}
    return peft.get_peft_model(base, KINDS[work.kind](task_type="SEQ_2_SEQ_LM", **own))


def padded(examples: list, where: str) -> dict[str, torch.Tensor]:
    """Returns a batch as long as its longest example."""
    inputs = max(len(tokens) for tokens, _ in examples)
    targets = max(len(tokens) for _, tokens in examples)
    ids = torch.zeros(len(examples), inputs, dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full((len(examples), targets), -100)
    for row, (read, said) in enumerate(examples):
        ids[row, : len(read)] = torch.from_numpy(read)
        mask[row, : len(read)] = 1
        labels[row, : len(said)] = torch.from_numpy(said)
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {name: tensor.to(where) for name, tensor in batch.items()}


def opened(work: Work) -> Any:
    """Returns what does the work."""
    return Trained(work) if work.doing == "train" else Answered(work)


class Trained:
    """A training step, and the batches it takes.

    Args:
        work: what is trained.
        laid: how many batches are padded before the first step; None: each when it is
            its turn.
    """

    def __init__(self, work: Work, laid: int | None = None):
        if device() == "cpu":
            torch.set_num_threads(work.threads)
        self.work, self.where = work, device()
        began = time.perf_counter()
        self.model = model_of(work).train()
        self.making = time.perf_counter() - began
        own = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = Adafactor(own, **_ADAFACTOR)
        self.trained = sum(p.numel() for p in own)
        self.batches = batches(work)
        self.ready = [padded(next(self.batches), self.where) for _ in range(laid or 0)]
        self._done = 0

    def prepare(self) -> None:
        """Does a step, which finds what the next ones take again."""
        if self.where == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.turn()

    def _next(self) -> dict[str, torch.Tensor]:
        if not self.ready:
            return padded(next(self.batches), self.where)
        self._done += 1
        return self.ready[self._done % len(self.ready)]

    def turn(self, steps: int = 1) -> dict[str, Any]:
        """Does some steps, and tells the seconds of one and what it was about."""
        began = time.perf_counter()
        taken = [self._next() for _ in range(steps)]
        self._wait()
        hosted = time.perf_counter() - began
        began = time.perf_counter()
        for batch in taken:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.model(**batch).loss
            loss.backward()
            self.optimizer.step()
        self._wait()
        seconds = (time.perf_counter() - began) / steps
        last = taken[-1]
        shape = [*last["input_ids"].shape, last["labels"].shape[1]]
        return {
            "seconds": seconds,
            "host": hosted / steps,
            "examples": self.work.batch,
            "rows": [shape],
            "useful": self._useful(last),
            "loss": float(loss.detach()),
        }

    def _useful(self, batch: dict[str, torch.Tensor]) -> float:
        """Returns which share of positions, slots counted, is no padding."""
        slots = self.work.prompt if self.work.kind == "soft" else 0
        real = batch["attention_mask"].sum() + (batch["labels"] >= 0).sum()
        rows = len(batch["labels"])
        computed = batch["attention_mask"].numel() + batch["labels"].numel()
        return float((real + rows * slots) / (computed + rows * slots))

    def _wait(self) -> None:
        if self.where == "cuda":
            torch.cuda.synchronize()

    def told(self) -> dict[str, Any]:
        """Returns what is known after the last step."""
        config = self.model.get_base_model().config
        said = {
            "making": self.making,
            "trained": self.trained,
            "attention": getattr(config, "_attn_implementation", None),
        }
        if self.where == "cuda":
            said["peak_bytes"] = torch.cuda.max_memory_allocated()
            said["limit_bytes"] = torch.cuda.get_device_properties(0).total_memory
        return said


class Answered:
    """Answers inputs in batches, in their order, as a loop over a DataLoader would.

    Args:
        work: "rank" compares the losses of two answers, "decode" writes one greedily.
    """

    def __init__(self, work: Work):
        torch.set_num_threads(work.threads)
        self.work = work
        self.model = model_of(work).eval()
        self.rows = answered(work)

    def prepare(self) -> None:
        """Answers one batch."""
        self._answer(self.rows[: self.work.batch])

    def turn(self, steps: int = 1) -> dict[str, Any]:
        """Answers all inputs, some times over."""
        began = time.perf_counter()
        for _ in range(steps):
            for start in range(0, len(self.rows), self.work.batch):
                self._answer(self.rows[start : start + self.work.batch])
        seconds = (time.perf_counter() - began) / steps
        return {"seconds": seconds, "host": 0.0, "examples": len(self.rows)}

    @torch.no_grad()
    def _answer(self, rows: list) -> None:
        batch = padded(rows, device())
        told = {name: batch[name] for name in ("input_ids", "attention_mask")}
        if self.work.doing == "rank":
            for label in LABELS.values():
                labels = torch.tensor([label] * len(rows), device=device())
                logits = self.model(**told, labels=labels).logits
                torch.log_softmax(logits, -1).gather(-1, labels[..., None]).sum((1, 2))
        else:
            length = {"max_new_tokens": DECODED, "min_new_tokens": DECODED}
            self.model.generate(**told, **length, do_sample=False, num_beams=1)

    def told(self) -> dict[str, Any]:
        """Returns what is known after the last turn."""
        return {}
