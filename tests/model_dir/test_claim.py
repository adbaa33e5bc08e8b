import json

import pytest

from spot_jax.errors import InputError
from spot_jax.model_dir import claim, story

CONFIG = "A = 1\nTRAIN_STEPS = 10\nMODEL_DIR = '/a'\n"


def begin(folder, config):
    made = claim.check(str(folder), config)
    claim.claim(made, config)
    return made


def test_a_new_folder_is_made_and_its_configuration_written(tmp_path):
    folder = begin(tmp_path / "a" / "b", CONFIG)
    assert (folder / "config.gin").read_text() == CONFIG


def test_a_longer_run_in_a_folder_that_moved_is_the_same_run(tmp_path):
    begin(tmp_path, CONFIG)
    begin(tmp_path, CONFIG.replace("10", "20").replace("/a", "/b"))
    assert "TRAIN_STEPS = 20" in (tmp_path / "config.gin").read_text()


def test_comments_and_spaces_do_not_matter(tmp_path):
    begin(tmp_path, CONFIG)
    begin(tmp_path, "# a comment\nA  =  1\n\n" + CONFIG[6:])


def test_a_value_of_several_lines_is_one_value(tmp_path):
    stages = "STAGES = \\\n    ['a',\n     'b']\nB = \\\n    ['c',\n     'd']\n"
    begin(tmp_path, stages)
    begin(tmp_path, stages.replace(",\n     'b'", ""))
    with pytest.raises(ValueError, match=r"\+ B = \['c', 'e'\]"):
        begin(tmp_path, stages.replace("'d'", "'e'"))


def test_a_run_over_a_model_that_was_replaced_is_refused(tmp_path):
    old, new = ({"fingerprint": of, "source": "/w"} for of in ("old", "new"))
    claim.check_model(tmp_path, new)
    story.describe(tmp_path, {"model": old})
    claim.check_model(tmp_path, old)
    with pytest.raises(ValueError, match="model old of /w; this one is new of /w"):
        claim.check_model(tmp_path, new)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "run.json is no JSON"),
        (b"[]", "run.json is not what it should be: Expected `object`, got `array`"),
        (b"{}", "run.json is not what it should be: .* missing .* `model`"),
        (b'{"model": {}}', "run.json is not what .* missing .* `fingerprint`"),
        (b'{"model": {"fingerprint": null, "source": ""}}', "got `null` - at"),
        (b'{"model": []}', r"got `array` - at `\$.model`"),
        (b'{"model": {"fingerprint": 3, "source": "/w"}}', "got `int` - at"),
        (b'{"model": \xff}', "run.json is no JSON"),
        (b'{"command": ' + b"[" * 20_000, "run.json is nested too deep"),
    ],
)
def test_a_damaged_run_json_is_one_message_with_the_cure(text, told, tmp_path):
    (tmp_path / "run.json").write_bytes(text)
    model = {"fingerprint": "new", "source": "/w"}
    with pytest.raises(InputError, match=f"{told}.*delete it: it is written anew"):
        claim.check_model(tmp_path, model)


@pytest.mark.parametrize("told", [{}, {"path": "v"}, {"fingerprint": 3, "path": "v"}])
def test_a_run_json_that_tells_no_vocabulary_is_damaged(told, tmp_path):
    model = {"fingerprint": "a", "source": "/w"}
    story.describe(tmp_path, {"model": model, "vocabulary": told})
    with pytest.raises(InputError, match="vocabulary.*delete it: it is written anew"):
        claim.check_vocabulary(tmp_path, {"fingerprint": "b", "path": "v"})


def test_what_earlier_versions_wrote_into_run_json_is_read(tmp_path):
    model, vocabulary = {"fingerprint": "a", "source": "/w"}, {"fingerprint": "b"}
    story.describe(tmp_path, {"model": model, "resumed_at": 0})
    claim.check_model(tmp_path, model | {"earlier_fingerprint": "a0"})
    claim.check_vocabulary(tmp_path, vocabulary | {"path": "v"})


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff\xfe[\0", b'{"seeds": '])
def test_a_damaged_about_json_is_one_message_with_the_cure(text, tmp_path):
    (tmp_path / "about.json").write_bytes(text)
    with pytest.raises(InputError, match="about.json .*choose another --dir"):
        claim.check_about(tmp_path, {"seeds": 3}, "--dir")


def test_a_configuration_of_another_encoding_is_told(tmp_path):
    (tmp_path / "config.gin").write_bytes(CONFIG.encode("utf-16"))
    with pytest.raises(InputError, match="config.gin is UTF-16; save it as UTF-8"):
        begin(tmp_path, CONFIG)
    (tmp_path / "config.gin").write_bytes(CONFIG.replace("\n", "\r\n").encode())
    begin(tmp_path, CONFIG)


def test_another_configuration_is_refused_and_shown(tmp_path):
    begin(tmp_path, CONFIG)
    with pytest.raises(ValueError, match=r"- A = 1\n  \+ A = 2") as error:
        begin(tmp_path, CONFIG.replace("A = 1", "A = 2"))
    assert "TRAIN_STEPS" not in str(error.value)
    assert (tmp_path / "config.gin").read_text() == CONFIG


def test_checkpoints_of_nobody_are_not_overwritten(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match=r"no config\.gin"):
        begin(tmp_path, CONFIG)


def test_run_json_tells_versions_and_facts(tmp_path):
    story.describe(tmp_path, {"resumed_at": 3})
    told = json.loads((tmp_path / "run.json").read_text())
    assert told["resumed_at"] == 3
    assert set(told["versions"]) >= {"python", "jax", "flax", "orbax-checkpoint"}


def test_an_address_elsewhere_is_refused_rather_than_made_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="to a bucket, gs://BUCKET/FOLDER"):
        claim.check("s3://bucket/run", CONFIG)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_a_bucket_is_claimed_as_one_of_a_disk(store):
    url = "gs://bucket/run"
    claim.claim(claim.check(url, CONFIG), CONFIG)
    assert store.get(f"{url}/config.gin").decode() == CONFIG
    with pytest.raises(ValueError, match=f"MODEL_DIR {url} holds a run of another"):
        claim.check(url, CONFIG.replace("TRAIN", "OTHER") + "SEED = 7\n")
    assert store.names(url) == ["config.gin"]


def test_a_bucket_that_cannot_be_written_is_told_at_once(store):
    store.make("theirs")
    store.refuses["theirs", "write"] = 403
    with pytest.raises(ValueError) as error:
        claim.check("gs://theirs/run", CONFIG)
    told = "--gin.MODEL_DIR gs://theirs/run cannot be written (nobody is logged in here"
    assert str(error.value).startswith(told)
    assert "the role Storage Object User" in str(error.value)


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert claim.check("~/run", CONFIG) == tmp_path / "run"


@pytest.mark.parametrize("name", sorted(claim.MAY_CHANGE))
def test_what_may_change_may(tmp_path, name):
    begin(tmp_path, CONFIG + f"{name} = 1\n")
    begin(tmp_path, CONFIG + f"{name} = 2\n")
    begin(tmp_path, CONFIG)


@pytest.mark.parametrize(
    "name",
    [
        *("BATCH_SIZE", "RANDOM_SEED", "MIXTURE_OR_TASK_NAME", "TASK_FEATURE_LENGTHS"),
        *("INITIAL_CHECKPOINT_PATH", "LEARNING_RATE", "OPTIMIZER", "OPTIMIZER_CLOCK"),
        *("PROMPT", "PROMPT_START", "PROMPT_LENGTH", "PACK", "EVAL_PERIOD", "BANK"),
        *("EMBEDDING_STEP", "DROPOUT_RATE", "SCAN_LAYERS", "EVALUATION"),
        # Names that begin as others that may change.
        *("MODEL_DIR_OF_ANOTHER", "STAGES_LEFT", "BEST_KS_TRIED", "TRAIN_STEPS_DONE"),
        *("settings.Training.batch_size", "Training.pack", "spot_jax.optim.steps"),
    ],
)
def test_what_makes_another_run_may_not(tmp_path, name):
    begin(tmp_path, CONFIG + f"{name} = 1\n")
    with pytest.raises(ValueError, match=f"- {name} = 1\n  \\+ {name} = 2"):
        begin(tmp_path, CONFIG + f"{name} = 2\n")


def test_a_file_that_moved_is_no_other_configuration(tmp_path):
    begin(tmp_path, "from spot_jax.studies import plan\n" + CONFIG)
    begin(tmp_path, "from spot_jax.campaign import plan\n" + CONFIG)


def test_a_default_that_a_later_version_changed_is_seen(tmp_path):
    comment = "# spot_jax.optim.adafactor.decay_rate = 0.8\n"
    begin(tmp_path, CONFIG + comment)
    begin(tmp_path, CONFIG + comment.replace("spot_jax.optim", "elsewhere"))
    begin(tmp_path, CONFIG + "# spot_jax.optim.adafactor.new = 1\n" + comment)
    begin(tmp_path, CONFIG + comment + "# spot_jax.settings.Training.keep = 3\n")
    begin(tmp_path, CONFIG + comment + "# spot_jax.settings.Training.keep = 4\n")
    with pytest.raises(ValueError, match=r"\+ adafactor.decay_rate = 0.9"):
        begin(tmp_path, CONFIG + comment.replace("0.8", "0.9"))


def test_rows_that_have_changed_are_another_run(tmp_path):
    facts = {"model": {"fingerprint": "0" * 16, "source": "x"}}
    claim.check_rows(tmp_path, {"mood": "1"})
    (tmp_path / "run.json").write_text(json.dumps(facts | {"rows": {"mood": "1"}}))
    claim.check_rows(tmp_path, {"mood": "1", "new": "2"})
    with pytest.raises(InputError, match="The rows of mood are not those"):
        claim.check_rows(tmp_path, {"mood": "2"})
    # Earlier versions told nothing of rows.
    (tmp_path / "run.json").write_text(json.dumps(facts))
    claim.check_rows(tmp_path, {"mood": "2"})


def test_another_machine_goes_on_in_the_dtypes_that_a_run_began_with(tmp_path):
    begun = {"ACTIVATION_DTYPE": "float32", "WEIGHTS_DTYPE": "float32"}
    claim.check_dtypes(tmp_path, begun)
    facts = {"model": {"fingerprint": "0" * 16, "source": "x"}, "dtypes": begun}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    claim.check_dtypes(tmp_path, begun)
    with pytest.raises(InputError) as error:
        claim.check_dtypes(tmp_path, dict.fromkeys(begun, "bfloat16"))
    cure = "--gin.ACTIVATION_DTYPE=float32 --gin.WEIGHTS_DTYPE=float32"
    assert f"set {cure}, or choose" in str(error.value)


@pytest.mark.parametrize(
    ("later", "goes_on"),
    [
        ("a.Prompts.head = %HEAD\nHEAD = None\n", True),
        ("a.Prompts.head = None\n", True),
        ("a.Prompts.head = %HEAD\nHEAD = 'cls'\n", False),
        ("a.Prompts.head = 'cls'\n", False),
    ],
)
def test_a_run_of_an_earlier_version_goes_on_where_what_came_is_not_used(
    later, goes_on, tmp_path
):
    before = "a.Prompts.length = %PROMPT_LENGTH\nPROMPT_LENGTH = 5\n"
    claim.claim(tmp_path, before)
    if goes_on:
        claim.check(str(tmp_path), before + later)
    else:
        with pytest.raises(InputError, match="another configuration"):
            claim.check(str(tmp_path), before + later)
    # What it knew may not be nothing now.
    with pytest.raises(InputError, match="another configuration"):
        claim.check(
            str(tmp_path), "a.Prompts.length = %PROMPT_LENGTH\nPROMPT_LENGTH = 0"
        )
