"""A study in gs://, of which only the training is left out, and its report."""

import json

import pytest

from spot_jax import report, study
from spot_jax.prompts.library import Library
from tests import study_process, study_stub
from tests.test_study import MODEL, TABLES

STUDY = "gs://bucket/study"


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    study_process.add_task()
    monkeypatch.setattr(study, "tune", study_stub.tune)
    yield
    study_process.remove_task()


def do(study_dir, *values: dict) -> None:
    study.main(study_process.arguments(study_dir, MODEL, *values))


@pytest.mark.slow
def test_a_study_in_a_bucket_is_the_study_on_a_disk_and_goes_on(store, tmp_path):
    do(tmp_path / "study")
    do(STUDY, {"STAGES": ["sources", "baselines"]})
    done = {name: store.get(f"{STUDY}/{name}") for name in store.names(STUDY)}
    assert not any("transfers-000" in name for name in done)
    do(STUDY)
    runs = [name for name in done if name.startswith("runs/")]
    assert all(store.get(f"{STUDY}/{name}") == done[name] for name in runs)
    for table in TABLES:
        there = store.get(f"{STUDY}/{table}").replace(STUDY.encode(), b"")
        here = (tmp_path / "study" / table).read_bytes()
        assert there == here.replace(bytes(tmp_path / "study"), b""), table
    assert (
        Library(f"{STUDY}/library").names()
        == Library(tmp_path / "study" / "library").names()
    )
    commands = json.loads(store.get(f"{STUDY}/study.json"))["commands"]
    assert f"--gin.STUDY_DIR={STUDY}" in commands[0]
    report.main([STUDY])
    names = store.names(f"{STUDY}/report")
    assert {"report.html", "report.md"} <= {*names}
    assert any(name.startswith("figures/") for name in names)


def test_a_folder_that_holds_no_study_is_told(store):
    with pytest.raises(ValueError, match=f"there is no {STUDY}/study.json; give the f"):
        report.main([STUDY])
    with pytest.raises(ValueError, match="There is no bucket gs://nowhere"):
        report.main(["gs://nowhere/study"])
