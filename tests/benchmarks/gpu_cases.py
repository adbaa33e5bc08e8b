"""What is measured on one GPU, the most worth knowing first."""

import dataclasses

from work import Work

PEFT = "peft"
# Works of which a trace says where the time goes.
PROFILED = (
    *("large, fused", "xl, fused", "large, remat minimal"),
    *("base, SST-2, 512", "small, SST-2, bank of 16", "large, K/V, fused"),
)

# The prompt and its text fill a row.
_ROW, _PROMPT, _TARGETS = 512, 100, 16
_BATCH = {"base": 64, "large": 64, "xl": 32}


def cases(part: str, tiny: bool = False) -> list[Work]:
    """Returns the works of a part.

    Args:
        part: its name.
        tiny: whether shapes are such as a CPU computes at once.
    """
    found = {"tuning": _tuning, "others": _others, PEFT: _peft}[part]()
    return [_tiny(work) for work in found] if tiny else found


def _frozen(name: str, shape: str, **others) -> Work:
    """Returns the work of a frozen model in bfloat16, rows full of tokens."""
    lengths = f"{_ROW - _PROMPT}x{_TARGETS}"
    told = {"lengths": lengths, "batch": _BATCH.get(shape, 32), "scan": True}
    told |= {"dtype": "bfloat16", "weights": "bfloat16", "dropout": 0.0, "pack": False}
    return Work(name, shape, **(told | others))


def _tuning() -> list[Work]:
    """Prompt tuning of three sizes, by attention and by what is computed again."""
    plain, fused = {"attention": "plain"}, {"attention": "fused"}
    minimal, double = {"remat": "minimal"}, {"batch": 64}
    return [
        _frozen("base", "base", **plain),
        _frozen("base, fused", "base", **fused),
        _frozen("large, remat minimal", "large", **plain, **minimal),
        _frozen("large, fused", "large", **fused),
        _frozen("xl, remat minimal", "xl", **plain, **minimal),
        _frozen("xl, fused", "xl", **fused),
        _frozen("large", "large", **plain),
        _frozen("large, fused, dropout 0.1", "large", **fused, dropout=0.1),
        _frozen("xl, fused, remat minimal, 64", "xl", **fused, **minimal, **double),
        _frozen("base, fused, layers apart", "base", **fused, scan=False),
        _frozen("xl", "xl", **plain),
    ]


def _others() -> list[Work]:
    """K/V prefixes, real lengths and banks."""
    sst2 = {"lengths": "sst2", "pack": True}
    beside = {"lengths": f"{_ROW}x{_TARGETS}", "kind": "kv"}
    apart = {"scan": False}
    fused = {"attention": "fused"}
    kv = {"kind": "kv"}
    return [
        _frozen("large, K/V", "large", **beside, attention="plain", remat="minimal"),
        _frozen("large, K/V, fused", "large", **beside, **fused),
        _frozen("base, SST-2, 32", "base", **sst2, **fused, batch=32),
        _frozen("base, SST-2, 512", "base", **sst2, **fused, batch=512),
        _frozen("small, SST-2, bank of 1", "small", **sst2, **apart, **fused),
        _frozen("small, SST-2, bank of 16", "small", **sst2, **apart, **fused, bank=16),
        _frozen("small, SST-2, bank of 4", "small", **sst2, **apart, **fused, bank=4),
        _frozen("base, SST-2, K/V, 512", "base", **sst2, **kv, **fused, batch=512),
        _frozen("base, SST-2, K/V, 32", "base", **sst2, **kv, **fused, batch=32),
        _frozen("base, SST-2, plain, 512", "base", **sst2, batch=512),
        _frozen(
            *("base, SST-2, decoder K/V, 512", "base"),
            **(sst2 | {"kind": "decoder kv", "batch": 512}),
        ),
        _frozen("small, SST-2, K/V, bank of 16", "small", **sst2, **kv, bank=16),
        _frozen("small, SST-2, K/V, bank of 1", "small", **sst2, **kv),
    ]


def _peft() -> list[Work]:
    """The same of PEFT, with the attention that transformers takes by itself."""
    sst2 = {"lengths": "sst2"}
    decoder = {"kind": "decoder kv"}
    return [
        _frozen("base", "base"),
        _frozen("large", "large"),
        _frozen("base, SST-2, 32", "base", **sst2, batch=32),
        _frozen("base, SST-2, 512", "base", **sst2, batch=512),
        _frozen("xl", "xl"),
        _frozen("small, SST-2, bank of 1", "small", **sst2),
        _frozen("base, SST-2, decoder K/V, 512", "base", **sst2, **decoder, batch=512),
        _frozen("base, SST-2, decoder K/V, 32", "base", **sst2, **decoder, batch=32),
        _frozen("large, eager attention", "large", attention="eager", batch=32),
        _frozen("large, dropout 0.1", "large", dropout=0.1),
        _frozen("xl, remat", "xl", remat="full"),
    ]


def _tiny(work: Work) -> Work:
    """Returns the same question of a T5 that any machine computes at once."""
    is_real = work.is_real
    return dataclasses.replace(
        work,
        shape="tiny",
        layers=1,
        prompt=8,
        batch=min(work.batch, 8),
        bank=min(work.bank, 2),
        lengths="sst2" if is_real else "24x4",
    )
