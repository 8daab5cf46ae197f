// daemon.mjs: a real trajd, and trainers that send to it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const built = join(root, process.env.TRAJ_BUILD ?? "build");

const ended = (child) =>
    new Promise((done) =>
        child.exitCode !== null || child.signalCode !== null ? done() : child.once("exit", done),
    );

export class Daemon {
    constructor() {
        this.folder = mkdtempSync(join(tmpdir(), "trajd-e2e-"));
        this.http = "127.0.0.1:0";
        this.ingest = "tcp://127.0.0.1:0";
    }

    /** On the addresses that it had before, if it had any. */
    async start() {
        const flags = [
            "--db",
            join(this.folder, "trajd.db"),
            "--http",
            this.http,
            "--ingest",
            this.ingest,
        ];
        this.child = spawn(join(built, "trajd"), flags, { stdio: ["ignore", "pipe", "inherit"] });
        const line = await new Promise((done, failed) => {
            createInterface({ input: this.child.stdout }).once("line", done);
            this.child.once("error", failed);
            this.child.once("exit", (code) => failed(new Error(`trajd ended with ${code}`)));
        });
        const ready = /^trajd ready http=http:\/\/(\S+) ingest=(\S+) /.exec(line);
        assert.ok(ready, line);
        [, this.http, this.ingest] = ready;
    }

    get url() {
        return `http://${this.http}`;
    }

    async kill(signal = "SIGKILL") {
        this.child.kill(signal);
        await ended(this.child);
    }

    /** Ends it as an operator would, and looks that it ended well. */
    async stop() {
        if (this.child.exitCode === null && this.child.signalCode === null) {
            await this.kill("SIGTERM");
            assert.equal(this.child.exitCode, 0);
        }
        rmSync(this.folder, { recursive: true });
    }
}

/** feeder.py: records as many steps as it is told to. */
export class Trainer {
    constructor(daemon, run) {
        const script = fileURLToPath(new URL("feeder.py", import.meta.url));
        const environment = { ...process.env, PYTHONDONTWRITEBYTECODE: "1" };
        this.child = spawn(process.env.PYTHON ?? "/usr/bin/python3", [script, daemon.ingest, run], {
            stdio: ["pipe", "pipe", "inherit"],
            env: environment,
        });
        this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    }

    /** Until all of it is on the daemon's disk. */
    async tell(command) {
        this.child.stdin.write(`${command}\n`);
        const { value } = await this.lines.next();
        assert.match(value ?? "the trainer ended", /^committed \d+$/);
    }

    async stop() {
        this.child.stdin.end();
        await ended(this.child);
    }
}

/** The example trainer of the demo, on real text; done: when it has ended, with its status. */
export function startLstm(daemon, run, options) {
    const child = spawn(join(built, "examples/lstm"), ["--run-id", run, ...options], {
        stdio: "ignore",
        env: { ...process.env, TRAJ_URL: daemon.ingest, TRAJ_DIR: join(daemon.folder, "spool") },
    });
    return { child, done: ended(child).then(() => child.exitCode) };
}
