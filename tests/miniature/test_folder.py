from spot_jax.miniature import folder as miniature_folder
from spot_jax.tasks import catalog


def test_it_is_written_once_and_whole(tmp_path, monkeypatch):
    data, tasks = tmp_path / "data", [catalog.get("cr"), catalog.get("rte")]
    written = []

    def write(task, splits, folder):
        folder.mkdir(exist_ok=True)
        (folder / task.name).write_text(str(len(splits["train"])))
        written.append(task.name)

    def write_second(task, splits, folder):
        # Another process ends first.
        write(task, splits, data)
        write(task, splits, folder)

    monkeypatch.setattr(miniature_folder, "write_task", write_second)
    miniature_folder.write_once(data, tasks, catalog.STUDY_LABELS)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert written == ["cr", "cr", "rte", "rte"]
    miniature_folder.write_once(data, tasks, catalog.STUDY_LABELS)
    assert len(written) == 4
