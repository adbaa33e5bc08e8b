import threading

from spot_jax.miniature import folder as miniature_folder
from spot_jax.tasks import catalog


def test_it_is_written_once_and_whole(tmp_path, monkeypatch):
    data, tasks = tmp_path / "data", [catalog.get("cr"), catalog.get("rte")]
    written = []

    def write(task, splits, folder):
        folder.mkdir(exist_ok=True)
        (folder / task.name).write_text(str(len(splits["train"])))
        written.append(task.name)

    monkeypatch.setattr(miniature_folder, "write_task", write)
    # What a process left that was killed.
    (tmp_path / ".data.17-0123abcd.tmp").mkdir()
    (tmp_path / ".other.17-0123abcd.tmp").mkdir()
    processes = [
        threading.Thread(
            target=miniature_folder.write_once, args=[data, tasks, catalog.STUDY_LABELS]
        )
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert written == ["cr", "rte"]
    there = {".data.lock", ".other.17-0123abcd.tmp", "data"}
    assert {path.name for path in tmp_path.iterdir()} == there
