"""The broker that needs no server: a private folder, emptied at the start and pruned after."""

from __future__ import annotations

import os
import stat

from kombu import Connection

from config import broker


def write(path, age: float = 0.0) -> None:
    path.write_text("{}")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))


def test_it_is_private_and_empty_before_any_worker_starts(tmp_path):
    folder = tmp_path / "broker"
    broker.empty_folder(folder)
    write(folder / "queue" / "1_a.outcomes.alert.v2.msg")
    write(folder / "processed" / "1_b.outcomes.alert.v2.msg")
    (folder / "queue").chmod(0o755)
    broker.empty_folder(folder)
    parts = [folder, *(folder / part for part in broker.FOLDER_PARTS)]
    assert [stat.S_IMODE(part.stat().st_mode) for part in parts] == [0o700] * 4
    assert list(folder.glob("*/*")) == []


def test_only_old_messages_are_pruned(tmp_path):
    broker.empty_folder(tmp_path)
    old = [tmp_path / "queue" / "1.a.msg", tmp_path / "processed" / "2.a.msg"]
    for path in old:
        write(path, age=100)
    write(tmp_path / "queue" / "3.a.msg", age=10)
    (tmp_path / "control" / "outcomes.exchange").write_text("[]")
    assert broker.prune_folder(tmp_path, before=1_000_000 - 50) == 2
    assert [path.name for path in tmp_path.glob("*/*.*")] in (
        ["3.a.msg", "outcomes.exchange"],
        ["outcomes.exchange", "3.a.msg"],
    )


def test_messages_never_pass_through_the_shared_temp_folder(tmp_path):
    options = broker.transport_options("filesystem://", tmp_path)
    folders = [value for name, value in options.items() if "folder" in name]
    assert len(folders) == 4
    assert all(str(folder).startswith(str(tmp_path)) for folder in folders)
    assert options["store_processed"] is True


def test_redis_gives_back_a_dead_workers_message_in_its_own_time(tmp_path):
    options = broker.transport_options("redis://127.0.0.1:6379/0", tmp_path)
    assert options["visibility_timeout"] == 900
    assert options["unacked_restore_throttle"] == 1


def test_rabbitmq_confirms_and_keeps_quorum_queues(tmp_path):
    url = "amqp://guest@127.0.0.1//"
    assert broker.transport_options(url, tmp_path)["confirm_publish"] is True
    assert [queue.queue_arguments for queue in broker.queues(url)] == [broker.QUORUM] * 2
    assert broker.QUORUM["x-queue-type"] == "quorum"
    assert {queue.queue_arguments for queue in broker.queues("redis://127.0.0.1")} == {None}


def test_its_queues_are_bound_before_two_workers_race_for_it(tmp_path):
    broker.empty_folder(tmp_path)
    options = broker.transport_options("filesystem://", tmp_path)
    with Connection("filesystem://", transport_options=options) as doorbell:
        broker.bind_queues(doorbell, broker.queues("filesystem://"))
    table = (tmp_path / "control" / f"{broker.EXCHANGE}.exchange").read_text()
    assert broker.ALERT_QUEUE in table
    assert broker.BULK_QUEUE in table
