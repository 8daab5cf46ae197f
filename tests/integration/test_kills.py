"""A short campaign of random kills; tests/soak/kills.py is the long one."""
import pytest

from kill_round import Campaign, last_commit


@pytest.mark.parametrize("seed", [1, 2])
def test_random_kills_lose_nothing_and_double_nothing(tmp_path, seed):
    campaign = Campaign(tmp_path, seed)
    while campaign.kills < 12:
        campaign.round()
    campaign.end()
    assert campaign.torn > 0


def test_the_last_commit_of_a_log_is_where_sqlite_sees_it(tmp_path):
    """Cut anywhere before it, SQLite sees less; cut there, all."""
    import sqlite3
    db = tmp_path / "a.db"
    connection = sqlite3.connect(db)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    for i in range(20):
        connection.execute("INSERT INTO t VALUES (?)", (i,))
        connection.commit()
    wal = (tmp_path / "a.db-wal").read_bytes()
    base = db.read_bytes()
    end = last_commit(wal)
    assert end > 0

    def rows(cut):
        copy = tmp_path / f"copy-{cut}.db"
        copy.write_bytes(base)
        copy.with_name(copy.name + "-wal").write_bytes(wal[:cut] + b"\x55" * 100)
        return sqlite3.connect(copy).execute("SELECT count(*) FROM t").fetchone()[0]

    assert rows(end) == 20
    assert rows(end - 1) < 20
