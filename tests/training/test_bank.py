import pytest

from spot_jax.errors import InputError
from spot_jax.prompts import init
from spot_jax.settings import Data, Prompts
from spot_jax.training import bank


def test_a_bank_is_every_task_with_every_seed_and_start():
    prompts = Prompts(5, [init.random_uniform, init.class_labels], [3, 4])
    names = [entry.name for entry in bank.entries(("a", "b"), prompts)]
    assert names == [
        *("a-seed3-start0", "a-seed4-start0", "a-seed3-start1", "a-seed4-start1"),
        *("b-seed3-start0", "b-seed4-start0", "b-seed3-start1", "b-seed4-start1"),
    ]
    (alone,) = bank.entries(("a",), Prompts(5, init.random_uniform))
    assert alone.name == "a-seed0"


def test_a_listed_bank_is_its_rows(tmp_path):
    path = str(tmp_path / "b.safetensors")
    rows = [("b", 3, None), ("a", 0, path), ("b", 4, None), ("a", 0, None)]
    prompts = Prompts(5, init.random_uniform, [7, 8], rows)
    made = bank.entries(("a", "b"), prompts)
    assert [(entry.task, entry.seed) for entry in made] == [row[:2] for row in rows]
    names = [entry.name for entry in made]
    assert names == ["b-seed3", "a-seed0-start0", "b-seed4", "a-seed0-start1"]
    assert made[0].start is made[3].start is init.random_uniform
    with pytest.raises(ValueError, match=f"no prompt file {path}"):
        made[1].start(None)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "BANK holds 0 prompts"),
        ([("a", 0, None), ("a", 0, None)], "BANK holds 2 prompts, 1 different"),
        ([("a", 0)], r"bank of Prompts is \[\('a', 0\)\]"),
        ([("a", -1, None)], r"BANK holds \('a', -1, None\); .* from 0 on"),
        ([("a", True, None)], "bank of Prompts is .*got bool"),
        ([("a", 0, 1)], "bank of Prompts is .*got int"),
        ("abc", "bank of Prompts is 'abc'"),
        ([("c", 0, None)], r"BANK trains c. .* \(it is \['a'\]\)"),
    ],
)
def test_a_listed_bank_is_checked(rows, words):
    with pytest.raises(ValueError, match=words):
        bank.entries(("a",), Prompts(5, init.random_uniform, 0, rows))


def test_a_listed_bank_has_one_start_of_its_own():
    starts = [init.random_uniform, init.class_labels]
    prompts = Prompts(5, starts, 0, [("a", 0, None)])
    with pytest.raises(ValueError, match="there are 2"):
        bank.entries(("a",), prompts)


def test_a_number_of_steps_is_there_once():
    with pytest.raises(InputError, match="has a number of steps twice"):
        bank.entries(("a",), Prompts(5, init.random_uniform, steps=[7, 7]))


def test_a_bank_of_lengths_and_rates_is_everything_with_each():
    prompts = Prompts([5, 20], init.random_uniform, [3, 4])
    made = bank.entries(("a",), prompts, (0.1, 1e-5))
    assert [entry.name for entry in made] == [
        f"a-seed{seed}-length{length}-rate{rate}"
        for seed in (3, 4)
        for length in (5, 20)
        for rate in ("0.1", "1e-05")
    ]
    assert [(entry.length, entry.rate) for entry in made[:4]] == [
        *((5, 0.1), (5, 1e-5), (20, 0.1), (20, 1e-5)),
    ]


@pytest.mark.parametrize(
    ("length", "rates", "name"),
    [
        (5, (0.3,), "a-seed0"),
        ([5], (0.3,), "a-seed0"),
        ([5], (None,), "a-seed0"),
        ([5, 6], (0.3,), "a-seed0-length5"),
        (5, (0.3, 0.1), "a-seed0-rate0.3"),
    ],
)
def test_a_name_tells_only_what_differs(length, rates, name):
    first, *_ = bank.entries(("a",), Prompts(length, init.random_uniform), rates)
    assert first.name == name
    assert (first.length, first.rate) == (5, rates[0])


@pytest.mark.parametrize(
    ("length", "rates", "steps"),
    [([5, 6], (0.1,), None), (5, (0.1, 0.3), None), (5, (0.1,), [3, 4])],
)
def test_a_listed_bank_has_one_length_one_rate_and_one_number_of_steps(
    length, rates, steps
):
    rows = [("a", 0, None)]
    prompts = Prompts(length, init.random_uniform, 0, rows, steps=steps)
    with pytest.raises(InputError, match="BANK lists its prompts .* one each"):
        bank.entries(("a",), prompts, rates)


@pytest.mark.parametrize(
    ("steps", "names", "counts"),
    [
        (None, ["a-seed0"], [None]),
        (7, ["a-seed0"], [7]),
        ([7], ["a-seed0"], [7]),
        ([7, 9], ["a-seed0-steps7", "a-seed0-steps9"], [7, 9]),
    ],
)
def test_a_bank_of_numbers_of_steps_is_everything_with_each(steps, names, counts):
    made = bank.entries(("a",), Prompts(5, init.random_uniform, steps=steps))
    assert [entry.name for entry in made] == names
    assert [entry.steps for entry in made] == counts


def test_names_tell_length_rate_and_steps_in_this_order():
    prompts = Prompts([5, 6], init.random_uniform, steps=[7, 9])
    first, second, *_ = bank.entries(("a",), prompts, (0.1, 0.3))
    assert first.name == "a-seed0-length5-rate0.1-steps7"
    assert second.name == "a-seed0-length5-rate0.1-steps9"


def test_tasks_share_a_prompt_for_each_number_of_steps():
    prompts = Prompts(5, init.random_uniform, shared=True, steps=[7, 9])
    assert bank.ties(bank.entries(("a", "b"), prompts), prompts) == [[0, 2], [1, 3]]


@pytest.mark.parametrize("steps", [0, -1, [], [3, 0]], ids=str)
def test_numbers_of_steps_that_are_none_are_refused(steps):
    with pytest.raises(InputError, match="PROMPT_STEPS is .*None for all"):
        Prompts(5, init.random_uniform, steps=steps)


@pytest.mark.parametrize("steps", ["7", 7.5, True, [7, None]], ids=str)
def test_numbers_of_steps_are_numbers(steps):
    with pytest.raises(InputError, match="steps of Prompts is"):
        Prompts(5, init.random_uniform, steps=steps)


@pytest.mark.parametrize(
    ("length", "words"),
    [([5, 5], "has a length twice"), ([5, 0], "PROMPT_LENGTH"), ([], "PROMPT_LENGTH")],
)
def test_lengths_that_are_none_are_refused(length, words):
    with pytest.raises(InputError, match=words):
        bank.entries(("a",), Prompts(length, init.random_uniform))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Prompts(0, init.random_uniform), "PROMPT_LENGTH is 0"),
        (lambda: Prompts(5, []), "0 starting values"),
        (lambda: Prompts([5, 6], []), "0 starting values"),
        (lambda: Data("a", {"inputs": 0, "targets": 1}, "v"), "TASK_FEATURE_LENGTHS"),
        (lambda: Prompts(5, init.random_uniform, 0, 3), "bank of Prompts is 3"),
        (
            lambda: Data(
                "a",
                {"inputs": 1, "targets": 1},
                "v",
                tokenized="t",
                mixtures={"m": ["a"]},
            ),
            "MIXTURES are drawn by SeqIO",
        ),
    ],
)
def test_settings_are_checked_when_they_are_made(make, words):
    with pytest.raises(ValueError, match=words):
        make()
