"""trajd's commands on a database: check, repair, compact, backup, prune."""
import json
import os
import sqlite3
import subprocess

from trajd import BUILD


def command(name, db, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
    return subprocess.run([BUILD / "trajd", name, "--db", db, *arguments], env=environment,
                          capture_output=True, text=True, timeout=120)


def done(name, db, *arguments):
    """What it says; it must succeed."""
    result = command(name, db, *arguments)
    assert result.returncode == 0, (result.stdout, result.stderr)
    assert "Sanitizer" not in result.stderr, result.stderr
    return result.stdout


def findings(db, *flags):
    """Those of a check, [{}], and what was checked."""
    result = command("check", db, "--json", *flags)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    checked = lines.pop()["checked"]
    assert result.returncode == (1 if lines else 0), result
    assert checked["findings"] == len(lines)
    return lines, checked


def assert_whole(db):
    assert findings(db)[0] == []
    assert findings(db, "--quick")[0] == []


def query(db, sql):
    connection = sqlite3.connect(db)
    try:
        with connection:
            return connection.execute(sql).fetchall()
    finally:
        connection.close()
