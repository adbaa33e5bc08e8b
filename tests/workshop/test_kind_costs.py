import json

from spot_jax import config
from spot_jax.t5 import T5Config
from spot_jax.workshop import kind_costs
from spot_jax.workshop.kind_costs import STEPS, TURNS
from spot_jax.workshop.kinds import KINDS


def test_a_kind_costs_what_its_arrays_hold():
    config.parse(["gin/runs/miniature.gin"])
    shape = config.configured(T5Config)()
    stacks = shape.encoder_layers + shape.decoder_layers
    joined, length = shape.heads * shape.d_head, 32
    pair = 2 * length * joined
    saved = {
        "prompt tuning": length * shape.d_model,
        "P-Tuning v2": stacks * pair,
        # Another pair for what the decoder reads of the encoder.
        "Prefix-Tuning": (stacks + shape.decoder_layers) * pair,
        "P-tuning": length * shape.d_model,
        "in every layer": shape.encoder_layers * length * shape.d_model,
    }
    for name, count in saved.items():
        trained, kept = kind_costs.parameters_of(KINDS[name])
        assert kept == count, name
        made_by_a_network = name in ("Prefix-Tuning", "P-tuning")
        assert (trained > kept) == made_by_a_network, name
    whole = kind_costs.parameters_of(KINDS["model tuning"])
    assert whole[0] == whole[1] > 1_500_000


def test_kinds_are_timed_in_turns(tmp_path, monkeypatch):
    turns = []

    def run(files, model_dir, bindings):
        (steps,) = [b for b in bindings if b.startswith("TRAIN_STEPS=")]
        turns.append((model_dir.name, int(steps.partition("=")[2])))
        model_dir.mkdir(exist_ok=True)
        line = {"step": turns[-1][1], "prompt": "", "kind": "speed"}
        # The second turn meets something else that the machine does.
        line["seconds_per_step"] = 9.0 if turns[-1][1] == 2 * STEPS else 0.5
        with (model_dir / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    monkeypatch.setattr(kind_costs, "trained", run)
    chosen = {name: KINDS[name] for name in ("P-Tuning v2", "model tuning")}
    found = kind_costs.seconds_of(chosen, tmp_path, (1, 3))
    once = ["P-Tuning v2 1", "P-Tuning v2 3", "model tuning 1"]
    expected = [(run, STEPS * turn) for turn in range(1, TURNS + 1) for run in once]
    assert turns == expected
    assert found == dict.fromkeys(
        [("P-Tuning v2", 1), ("P-Tuning v2", 3), ("model tuning", 1)], 0.5
    )
    table = kind_costs.markdown(chosen, found).splitlines()
    assert table[0].endswith("| ms a step, bank of 1 | ms a step, bank of 3 |")
    assert table[2].startswith("| P-Tuning v2 | ") and table[2].endswith(
        "| 500 | 500 |"
    )
    assert table[3].endswith("| 500 |  |")


def test_of_every_kind_twenty_steps_or_more_are_timed():
    assert TURNS * (STEPS - 1) >= 20
