import json

import pytest

from spot_jax import run_dir

CONFIG = "A = 1\nTRAIN_STEPS = 10\nMODEL_DIR = '/a'\n"


def claim(folder, config):
    made = run_dir.check(str(folder), config)
    run_dir.claim(made, config)
    return made


def test_a_new_folder_is_made_and_its_configuration_written(tmp_path):
    folder = claim(tmp_path / "a" / "b", CONFIG)
    assert (folder / "config.gin").read_text() == CONFIG


def test_a_longer_run_in_a_folder_that_moved_is_the_same_run(tmp_path):
    claim(tmp_path, CONFIG)
    claim(tmp_path, CONFIG.replace("10", "20").replace("/a", "/b"))
    assert "TRAIN_STEPS = 20" in (tmp_path / "config.gin").read_text()


def test_comments_and_spaces_do_not_matter(tmp_path):
    claim(tmp_path, CONFIG)
    claim(tmp_path, "# a comment\nA  =  1\n\n" + CONFIG[6:])


def test_a_value_of_several_lines_is_one_value(tmp_path):
    stages = "STAGES = \\\n    ['a',\n     'b']\nB = \\\n    ['c',\n     'd']\n"
    claim(tmp_path, stages)
    claim(tmp_path, stages.replace(",\n     'b'", ""))
    with pytest.raises(ValueError, match=r"\+ B = \['c', 'e'\]"):
        claim(tmp_path, stages.replace("'d'", "'e'"))


def test_a_run_over_a_model_that_was_replaced_is_refused(tmp_path):
    run_dir.check_model(tmp_path, "new")
    run_dir.describe(tmp_path, {"model": {"fingerprint": "old", "source": "/w"}})
    run_dir.check_model(tmp_path, "old")
    with pytest.raises(ValueError, match="model old of /w, where .* new now"):
        run_dir.check_model(tmp_path, "new")


def test_another_configuration_is_refused_and_shown(tmp_path):
    claim(tmp_path, CONFIG)
    with pytest.raises(ValueError, match=r"- A = 1\n  \+ A = 2") as error:
        claim(tmp_path, CONFIG.replace("A = 1", "A = 2"))
    assert "TRAIN_STEPS" not in str(error.value)
    assert (tmp_path / "config.gin").read_text() == CONFIG


def test_checkpoints_of_nobody_are_not_overwritten(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match=r"no config\.gin"):
        claim(tmp_path, CONFIG)


def test_run_json_tells_versions_and_facts(tmp_path):
    run_dir.describe(tmp_path, {"resumed_at": 3})
    story = json.loads((tmp_path / "run.json").read_text())
    assert story["resumed_at"] == 3
    assert set(story["versions"]) >= {"python", "jax", "flax", "orbax-checkpoint"}


def test_a_folder_of_a_bucket_is_refused_rather_than_made_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="a folder of this machine"):
        run_dir.check("gs://bucket/run", CONFIG)
    assert not list(tmp_path.iterdir())


def test_home_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run_dir.check("~/run", CONFIG) == tmp_path / "run"
