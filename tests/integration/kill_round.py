"""Rounds of a trainer and a trajd that are killed at random moments. After each,
what is in the database is exactly what the trainer recorded: nothing lost,
nothing twice, every bit as it was.

A power cut leaves what was not synced half written. Killing a process does not,
so the tails of the files are torn here: of the write-ahead log what lies behind
its last commit, of the spool what lies behind its last whole record.
"""
import random
import struct
import threading

import wire
from emitter import Emitter, exported, sync
from trajd import Trajd

STEPS = 1500  # of a trainer that is not killed
VICTIMS = ("trajd", "trainer", "both", "trajd twice", "both, trainer again")
WAL_HEAD, FRAME_HEAD = 32, 24
SPOOL_COMMITTED = 128  # offset of the end of the last whole record


def last_commit(wal):
    """Offset behind the last valid frame that ends a transaction (the format of
    SQLite's write-ahead log: sqlite.org/fileformat2.html, section 4)."""
    if len(wal) < WAL_HEAD:
        return 0
    magic, _, page_size = struct.unpack(">III", wal[:12])
    order = ">" if magic & 1 else "<"
    salts = wal[16:24]
    sums = checksum(order, wal[:24], (0, 0))
    end = WAL_HEAD
    at = WAL_HEAD
    while at + FRAME_HEAD + page_size <= len(wal):
        head = wal[at:at + FRAME_HEAD]
        page = wal[at + FRAME_HEAD:at + FRAME_HEAD + page_size]
        if head[8:16] != salts:
            break
        sums = checksum(order, page, checksum(order, head[:8], sums))
        if struct.unpack(">II", head[16:24]) != sums:
            break
        at += FRAME_HEAD + page_size
        if struct.unpack(">I", head[4:8])[0] != 0:
            end = at
    return end


def checksum(order, data, sums):
    a, b = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        a = (a + words[i] + b) & 0xFFFFFFFF
        b = (b + words[i + 1] + a) & 0xFFFFFFFF
    return a, b


def tear_wal(chance, path):
    """What follows the last commit was on its way to the disk."""
    if not path.exists():
        return "no log"
    wal = path.read_bytes()
    end = last_commit(wal)
    if end <= WAL_HEAD:
        return "no commit"
    page = struct.unpack(">I", wal[8:12])[0]
    frame = FRAME_HEAD + page
    how = chance.choice(("cut", "noise", "half a frame", "an old frame", "zeros"))
    tail = {"cut": b"",
            "noise": chance.randbytes(chance.randrange(1, 3 * frame)),
            "half a frame": wal[end - frame:end][:chance.randrange(1, frame)],
            "an old frame": wal[end - frame:end],
            "zeros": bytes(chance.randrange(1, 3 * frame))}[how]
    path.write_bytes(wal[:end] + tail)
    return how


def tear_spool(chance, folder):
    """The bytes behind the last whole record of each segment."""
    torn = 0
    for segment in sorted(folder.rglob("*.seg")):
        with open(segment, "r+b") as file:
            head = file.read(192)
            committed = struct.unpack_from("<Q", head, SPOOL_COMMITTED)[0]
            file.seek(0, 2)
            size = file.tell()
            if 192 <= committed < size:
                file.seek(committed)
                file.write(chance.randbytes(min(size - committed, chance.randrange(1, 4096))))
                torn += 1
    return torn


class Campaign:
    """One database for all rounds; a run and a folder of spools for each."""

    def __init__(self, folder, seed):
        self.folder = folder
        self.chance = random.Random(seed)
        self.seed = seed
        self.rounds = 0
        self.kills = 0
        self.torn = 0
        self.trajd = Trajd(folder).start()

    def pause(self, most_s):
        threading.Event().wait(self.chance.random() * most_s)

    def kill_trajd(self):
        self.trajd.kill()
        self.kills += 1
        if self.chance.random() < 0.7:
            self.torn += tear_wal(self.chance, self.trajd.db.with_name(
                self.trajd.db.name + "-wal")) not in ("no log", "no commit")

    def kill_trainer(self, trainer):
        if trainer.process.poll() is None:
            self.kills += 1
        trainer.kill()
        if self.chance.random() < 0.7:
            self.torn += tear_spool(self.chance, trainer.spools)

    def round(self):
        self.rounds += 1
        run_id = f"r{self.rounds}"
        folder = self.folder / run_id
        folder.mkdir()
        victim = self.chance.choice(VICTIMS)
        trainer = Emitter(folder, self.trajd.ingest, run_id, STEPS,
                          pause_us=self.chance.choice((0, 20, 200)))
        self.pause(0.4)
        finished = self.strike(victim, trainer)
        if not finished and trainer.spools.exists():
            sync(trainer.spools, self.trajd.ingest)
        where = f"seed {self.seed}, round {self.rounds}, {victim}"
        assert_all(self.trajd, trainer, run_id, finished, where)

    def strike(self, victim, trainer):
        """Kills and restarts; true if the trainer came to its own end."""
        if victim.startswith("trajd"):
            self.kill_trajd()
            if victim == "trajd twice":
                self.trajd.start()
                self.pause(0.2)
                self.kill_trajd()
            self.trajd.start()
            trainer.wait()
            return True
        if victim.startswith("both"):
            self.kill_trajd()
        self.pause(0.05)
        self.kill_trainer(trainer)
        if victim.startswith("both"):
            self.trajd.start()
        return False

    def end(self):
        self.trajd.end()
        assert "event=log_" not in self.trajd.log()  # a kill is no damage


def assert_all(trajd, trainer, run_id, finished, where):
    """Everything that was recorded, once, in order, bit for bit. A killed
    trainer may have recorded one more than it said, or its FINISH."""
    expected = trainer.records() if trainer.out.exists() else []
    if not expected and not trajd.has_run(run_id):
        return  # killed before it came to anything
    rows = exported(trajd, run_id)
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1)), where
    got = [(kind, {k: v for k, v in fields.items() if k not in ("wall_ns", "mono_ns")})
           for _, kind, fields in rows]
    assert got[:len(expected)] == expected, where
    more = got[len(expected):]
    if finished:
        assert [(kind, fields["event"]) for kind, fields in more] == [(wire.EVENT, 1)], where
    assert len(more) <= 1, where
    run = trajd.run(run_id)
    assert (run["lost_records"], run["dropped_records"]) == (0, 0), where
