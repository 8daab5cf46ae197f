// mock.mjs: a stand-in for trajd that speaks its API from made-up data, for
// states of the page that a real trainer takes hours to reach: a density of a
// million points, NaN, lost runs, a dead daemon.
//   node tests/e2e/mock.mjs [FOLDER] [PORT]   serves it to look at
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { verdictOf } from "./mock_verdict.mjs";

const TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
};
const CSP =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/** A generator of numbers in [0,1) that gives the same ones every time. */
export function seeded(seed) {
    let s = seed >>> 0;
    return () => {
        s = (Math.imul(s, 1664525) + 1013904223) >>> 0;
        return s / 2 ** 32;
    };
}

const word = (v) =>
    Number.isFinite(v) ? v : Number.isNaN(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity";

/** A run along which smoothness is about L0 + L1 g, with probes on every `every`-th step. */
export function madeUpRun(
    id,
    {
        steps = 400,
        every = 1,
        L0 = 0.5,
        L1 = 8,
        seed = 1,
        clip = 0.25,
        lr = 1,
        nan = [],
        tiny = false, // updates too small for a probe to measure anything
        normEvery = 0, // steps between two operator norms, which here do not rise with the gradient
        layers = 0,
        ...run
    } = {},
) {
    const random = seeded(seed);
    const made = {
        run: {
            id,
            project: "mock",
            name: id,
            state: "live",
            exit_code: null,
            tags: ["made-up"],
            attempts: 1,
            ranks: 1,
            lost_records: 0,
            dropped_records: 0,
            thinned_records: 0,
            repeated_records: 0,
            late_records: 0,
            complete: false,
            gaps: ["stream_open"],
            created_wall_ns: `${Date.now() - 60_000}000000`,
            updated_wall_ns: `${Date.now()}000000`,
            revision: 1,
            fork: null,
            ...run,
        },
        random,
        options: { every, L0, L1, clip, lr, nan, tiny, normEvery, layers, total: Math.max(steps, 1) },
        steps: [],
        probes: [],
        unmeasured: [],
        norms: [],
        alerts: [], // newest first
        messages: [], // in the order of their coming
    };
    for (let i = 0; i < steps; i++) {
        addStep(made);
    }
    return made;
}

export function addStep(made) {
    const { random } = made;
    const { every, L0, L1, clip, lr, nan, tiny, normEvery, total } = made.options;
    const step = made.steps.length;
    const noise = () => random() + random() + random() - 1.5;
    const g = 4 * Math.exp((-3 * step) / total + 0.5 * noise()) + 0.02;
    const bad = nan.includes(step);
    const loss = bad ? NaN : 2 + 5 * Math.exp((-4 * step) / total) + 0.15 * noise();
    made.steps.push({ step, loss, grad_norm: bad ? Infinity : g, lr, clip_threshold: clip });
    if (normEvery > 0 && step % normEvery === 0) {
        const n = made.norms.length;
        made.norms.push({
            step,
            group: null,
            value: 12 * Math.exp(0.2 * Math.sin(7 * n)) * (n % 5 === 3 ? -1 : 1),
            residual: 0.4,
            converged: n % 4 === 1 ? 0 : 1,
            grad_sq: g * g,
        });
    }
    if (tiny) {
        made.unmeasured.push({ step });
    } else if (every > 0 && step % every === 0) {
        const y = (L0 + L1 * g) * Math.exp(0.35 * noise());
        const r = lr * Math.min(g, clip);
        const x = g * Math.exp(0.05 * noise());
        made.probes.push({
            step,
            start: g,
            trapezoid: x,
            simpson: x,
            smoothness: y,
            smoothness_ceiling: (2 * g) / r + y,
            secant: y,
            secant_ceiling: (2 * g) / r + y,
            ...Object.fromEntries(
                ["smoothness", "secant"].flatMap((name) => [
                    [`${name}_noise_floor`, 0.02 * (1 + (step % 7) / 10)],
                    [`${name}_rounding_floor`, (1e-7 * g) / r],
                ]),
            ),
            flags: random() < 0.01 ? 1 : 0,
        });
    }
}

function bucketed(rows, key, width) {
    const out = {
        step_first: [],
        step_last: [],
        min: [],
        max: [],
        argmin: [],
        argmax: [],
        last: [],
        count: [],
        nonfinite: [],
    };
    let at = -1;
    let place = null;
    for (const row of rows) {
        const value = key(row);
        if (value === undefined) {
            continue;
        }
        if (Math.floor(row.step / width) !== place) {
            place = Math.floor(row.step / width);
            at++;
            out.step_first.push(row.step);
            for (const name of ["min", "max", "argmin", "argmax"]) {
                out[name].push(null);
            }
            out.step_last.push(0);
            out.last.push(0);
            out.count.push(0);
            out.nonfinite.push(0);
        }
        out.step_last[at] = row.step;
        out.last[at] = word(value);
        out.count[at]++;
        if (!Number.isFinite(value)) {
            out.nonfinite[at]++;
        } else {
            if (out.min[at] === null || value < out.min[at]) {
                [out.min[at], out.argmin[at]] = [value, row.step];
            }
            if (out.max[at] === null || value > out.max[at]) {
                [out.max[at], out.argmax[at]] = [value, row.step];
            }
        }
    }
    return out;
}

const KEYS = {
    loss: ["steps", (r) => r.loss],
    grad_norm: ["steps", (r) => r.grad_norm],
    clip_threshold: ["steps", (r) => r.clip_threshold],
    lr: ["steps", (r) => r.lr],
    smoothness: ["probes", (r) => r.smoothness],
    step_limit: ["probes", (r) => 2 / r.smoothness],
    edge_of_stability: ["steps", (r) => 2 / r.lr],
};

export function seriesOf(made, metrics, buckets, from, to) {
    const within = (r) => r.step >= from && r.step <= to;
    const rows = { steps: made.steps.filter(within), probes: made.probes.filter(within) };
    let width = 1;
    while (rows.steps.length / width > buckets) {
        width *= 2;
    }
    const names = metrics.filter((name) => KEYS[name]);
    return {
        data: {
            bucket_steps: width,
            metrics: Object.fromEntries(
                names.map((m) => [m, bucketed(rows[KEYS[m][0]], KEYS[m][1], width)]),
            ),
        },
        sampling: {
            method: width === 1 ? "none" : "minmax",
            rows_in: rows.steps.length,
            rows_out: Math.ceil(rows.steps.length / width),
            thinned: 0,
        },
    };
}

const column = (rows, name) => rows.map((r) => r[name]);

export function scatterOf(made, x, most, from, to) {
    const rows = made.probes.filter((r) => r.step >= from && r.step <= to);
    if (rows.length > most) {
        return densityOf(rows, x);
    }
    return {
        data: {
            mode: "points",
            x_name: x,
            step: column(rows, "step"),
            x: column(rows, x),
            y_name: x === "start" ? "smoothness" : "secant",
            y: column(rows, "secant"),
            ceiling: column(rows, "secant_ceiling"),
            noise_floor: column(rows, "secant_noise_floor"),
            rounding_floor: column(rows, "secant_rounding_floor"),
            flags: column(rows, "flags"),
        },
        sampling: { method: "none", rows_in: rows.length, rows_out: rows.length },
        excluded: made.unmeasured.length,
    };
}

/** Of a list, from its cursor on. */
function pageOf(all, query, most) {
    const at = Number(query.get("cursor") ?? 0);
    const end = at + Number(query.get("limit") ?? most);
    return { rows: all.slice(at, end), page: { next_cursor: end < all.length ? String(end) : null } };
}

/** Columns of records, as their page has them. */
function recordsOf(all, query) {
    const from = Number(query.get("from") ?? 0);
    const to = Number(query.get("to") ?? Infinity);
    const isWithin = (r) => (r.step ?? 0) >= from && (r.step ?? 0) <= to;
    const { rows, page } = pageOf(all.filter(isWithin), query, 10_000);
    const key = { attempt: 1, rank: 0 };
    const keys = ["attempt", "rank", "seq"].map((name) => [name, rows.map((r, i) => r[name] ?? key[name] ?? i + 1)]);
    const names = query.get("fields").split(",");
    return {
        data: Object.fromEntries([...keys, ...names.map((name) => [name, column(rows, name)])]),
        rows: rows.length,
        page,
    };
}

const LAYER_NAMES = ["embed", "rnn.0", "rnn.1", "out", "a name that a framework made up for a layer.0.weight_hh"];

/** GROUP records on every 16th step, as the library's watch makes them. */
function groupsOf({ steps, options: { layers } }) {
    return steps
        .filter(({ step }) => step % 16 === 0)
        .flatMap(({ step, grad_norm }) =>
            Array.from({ length: layers }, (_, i) => ({
                step,
                group: i + 1,
                grad_sq: (grad_norm / (i + 1)) ** 2,
                param_sq: 100,
                delta_sq: i === 0 ? null : 1e-4,
                smoothness: i === 1 ? 3.5 : null,
                norm: i === 1 ? 1 : null,
            })),
        );
}

/** What /layers says of them: the last step's, in columns. */
function newestOf(groups) {
    const rows = groups.filter(({ step }) => step === groups.at(-1).step);
    const column = (name) => rows.map((row) => row[name] ?? null);
    return {
        ...Object.fromEntries(["group", "step", "grad_sq", "param_sq", "delta_sq", "grad_delta", "grad_max_abs"]
            .map((name) => [name, column(name)])),
        disagree: rows.map(() => 0),
    };
}

export function ranksOf({ run, steps }) {
    const last = steps.length - 1;
    return {
        world: run.ranks,
        steps: { from: 0, to: last, complete: last, incomplete: 1, open: 0, disagree: 0, last_complete: last - 1, rule: "shard" },
        findings: [
            {
                code: "replicas_disagree",
                kind: "step",
                field: "param_sq",
                factor: 0.02,
                first_step: 40,
                steps: 9,
                n_ranks: 1,
                ranks: [1],
                text: "Rank 1 says of ||x|| something else than the others, by 2 %, since step 40.",
            },
        ],
        ranks: Array.from({ length: run.ranks }, (_, rank) => ({
            rank,
            state: rank === 2 ? "missing" : "live",
            attempts: 1,
            attempt: rank === 2 ? null : 1,
            host: null,
            pid: null,
            last_step: rank === 2 ? null : last - rank,
            behind: rank === 2 ? null : rank,
            records: steps.length,
            lost_records: rank === 1 ? 4 : 0,
            dropped_records: 0,
            heard_wall_ns: null,
        })),
    };
}

export function diagnosticsOf({ steps, probes, norms, options }) {
    const [n, p] = [steps.length, probes.length];
    const finite = steps.filter((r) => Number.isFinite(r.loss));
    const first = steps.find((r) => !Number.isFinite(r.loss));
    const clipped = (most) => {
        const last = steps.slice(-(most ?? n));
        const over = last.filter((r) => r.grad_norm > options.clip).length;
        const fraction = last.length > 0 ? over / last.length : null;
        return { steps: most, n: last.length, clipped: over, fraction, mean_shrink: over > 0 ? 0.4 : null };
    };
    const noise = (most) => ({
        steps: most,
        n: norms.length > 0 ? Math.min(n, most ?? n) : 0,
        signal_sq: norms.length > 0 ? 0.5 : null,
        noise: norms.length > 0 ? 600 : null,
        scale: norms.length > 0 ? 1200 : null,
        standard_error: norms.length > 0 ? 90 : null,
    });
    const windows = [100, 1000, 10000, null];
    return {
        records: n,
        steps: n,
        probes: p,
        clipping: {
            windows: windows.map(clipped),
            would: [],
            autoclip: { n, threshold: n > 0 ? 0.31 : null, recent_threshold: null },
            zclip: { n: 0, clipped: 0, fraction: null, threshold: null, mean: null, deviation: null },
        },
        noise: { windows: windows.map(noise) },
        spikes: {
            n_loss: finite.length,
            n_grad_norm: finite.length,
            loss: 1,
            grad_norm: 3,
            grad_norm_alone: 2,
            grad_norm_leading: 1,
            grad_norm_with: 0,
            mean_lead: 4,
            recent: [{ step: 77, of: "loss", z: 8 }],
        },
        descent: {
            steps: { same_data: false, n: 0, predicted: null, realised: null },
            probes: { same_data: true, n: p, predicted: p > 0 ? 1 : null, realised: p > 0 ? 0.9 : null },
            laws:
                p < 30
                    ? []
                    : [
                          {
                              method: "nnls_relative",
                              tau: null,
                              L0: options.L0,
                              L1: options.L1,
                              step_violations: 0,
                              step_rate: null,
                              probe_violations: 2,
                              probe_rate: 2 / p,
                          },
                      ],
        },
        adgd: { n: 0, lambda: null, n_ratio: 0, ratio: null, mean_ratio: null, above: null },
        faults: {
            n_flags: n,
            skipped: 0,
            found_inf: 0,
            n_updates: 0,
            zero_updates: 0,
            n_values: n,
            nonfinite: n - finite.length,
            first_nonfinite_step: first?.step ?? null,
        },
    };
}

function densityOf(rows, x) {
    const [w, h] = [300, 200];
    const logs = rows.map((r) => [Math.log10(r[x]), Math.log10(r.smoothness), r.step]);
    const ends = (k) =>
        logs.reduce(
            ([lo, hi], v) => [Math.min(lo, v[k]), Math.max(hi, v[k])],
            [Infinity, -Infinity],
        );
    const [xe, ye] = [ends(0), ends(1)];
    const counts = new Array(w * h).fill(0);
    const sums = new Array(w * h).fill(0);
    const top = new Map();
    for (const [lx, ly, step] of logs) {
        const i = Math.round(((lx - xe[0]) / (xe[1] - xe[0])) * (w - 1));
        const j = Math.round(((ly - ye[0]) / (ye[1] - ye[0])) * (h - 1));
        counts[j * w + i]++;
        sums[j * w + i] += step;
        if (!top.has(i) || top.get(i)[1] < ly) {
            top.set(i, [lx, ly, step]);
        }
    }
    const extremes = [...top.values()].sort((a, b) => a[2] - b[2]);
    return {
        data: {
            mode: "density",
            x_name: x,
            y_name: x === "start" ? "smoothness" : "secant",
            x_log10: xe,
            y_log10: ye,
            w,
            h,
            counts,
            mean_step: counts.map((n, i) => (n === 0 ? null : sums[i] / n)),
            extremes: {
                step: extremes.map((e) => e[2]),
                x: extremes.map((e) => 10 ** e[0]),
                y: extremes.map((e) => 10 ** e[1]),
            },
        },
        sampling: { method: "density", rows_in: rows.length, rows_out: w * h },
        excluded: 0,
    };
}

export function fitsOf(made, regressor = "simpson", from = 0, to = Infinity) {
    const rows = made.probes.filter((r) => r.step >= from && r.step <= to);
    const { L0, L1 } = made.options;
    const enough = rows.length >= 30;
    const none = made.unmeasured.length > 0 ? "all_excluded" : "no_probes";
    const ends = (name) =>
        rows.reduce(
            ([lo, hi], r) => [Math.min(lo, r[name]), Math.max(hi, r[name])],
            [Infinity, -Infinity],
        );
    const line = (method, tau, by) => ({ method, tau, L0: L0 * by, L1: L1 * by });
    return {
        regressor,
        estimator: "same_batch",
        n: rows.length,
        n_excluded: made.unmeasured.length,
        excluded: {
            tiny_step: made.unmeasured.length,
            rounding: 0,
            nonfinite: 0,
            not_measured: 0,
            not_positive: 0,
            other_estimator: 0,
        },
        every: 1,
        from_states: false,
        step_range: rows.length > 0 ? [rows[0].step, rows[rows.length - 1].step] : null,
        x_range: rows.length > 0 ? ends(regressor) : null,
        y_range: rows.length > 0 ? ends("smoothness") : null,
        fits: enough
            ? [
                  line("nnls_relative", null, 1.02),
                  line("quantile", 0.5, 0.98),
                  line("quantile", 0.95, 1.5),
                  line("envelope", null, 1.95),
              ]
            : [],
        power: null,
        loglog: enough ? { slope: 0.93, intercept: 0.9, pearson_r: 0.95, theil_sen: 0.92 } : null,
        spearman: enough ? 0.94 : null,
        spearman_step_x: enough ? -0.71 : null,
        ceiling_ratio: enough ? 0.2 : null,
        warnings: made.warnings ?? [],
        reason: rows.length === 0 ? none : enough ? null : "too_few_pairs",
    };
}

/** The run as the API lists it. */
export function runOf(made) {
    const last = made.steps[made.steps.length - 1];
    const groupProbes = made.options.layers > 0 ? made.steps.length : 0;
    return {
        ...made.run,
        records: { step: made.steps.length, probe: made.probes.length + made.unmeasured.length + groupProbes, metric: 0,
            event: made.messages.length, sharpness: made.norms.length, group: groupsOf(made).length },
        group_probes: groupProbes,
        alerts: made.alerts.length,
        alert_errors: made.alerts.filter(({ severity }) => severity === "error").length,
        last_step: last === undefined ? null : last.step,
    };
}

export class Mock {
    constructor(folder) {
        this.folder = folder;
        this.runs = new Map();
        this.streams = new Set();
        this.port = 0;
        this.requests = [];
        this.nextId = 1;
        this.problem = null; // of the daemon itself
    }

    get url() {
        return `http://127.0.0.1:${this.port}`;
    }

    /** On the port that it had before, if it had one: pages find it again. */
    async start(port = this.port) {
        this.server = createServer((request, reply) => {
            this.answer(request, reply).catch((error) => {
                reply.writeHead(500);
                reply.end(String(error));
            });
        });
        await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
        this.port = this.server.address().port;
    }

    async stop() {
        this.streams.forEach(({ reply }) => reply.destroy());
        this.streams.clear();
        const closed = new Promise((done) => this.server.close(done));
        this.server.closeAllConnections();
        await closed;
    }

    add(made) {
        this.runs.set(made.run.id, made);
        this.send("run", runOf(made), null);
        return made;
    }

    /** An alert of a run, as it is told: itself, and then the run that counts it. */
    raise(id, alert) {
        const made = this.runs.get(id);
        const raised = { run: id, attempt: 1, limit: null, wall_ns: this.now(), ...alert };
        made.alerts.unshift(raised);
        made.run.revision++;
        this.send("alert", raised, null);
        this.send("run", runOf(made), null);
        return raised;
    }

    /** An event that a trainer recorded: the run has one more. */
    say(id, message) {
        const made = this.runs.get(id);
        made.messages.push({ seq: made.messages.length + 1, step: null, wall_ns: this.now(), event: 0, severity: 0, text: null, value: null,
            exit_code: null, ...message });
        made.run.revision++;
        this.send("run", runOf(made), null);
    }

    /** Each moment once. */
    now() {
        return String(1_790_000_000_000_000_000n + BigInt(this.nextId) * 1_000_000_000n);
    }

    /** n more steps of a run, as one live event. */
    push(id, n = 1) {
        const made = this.runs.get(id);
        const [s, p] = [made.steps.length, made.probes.length];
        for (let i = 0; i < n; i++) {
            addStep(made);
        }
        const [steps, probes] = [made.steps.slice(s), made.probes.slice(p)];
        made.run.revision++;
        if (made.options.normEvery > 0) {
            this.send("run", runOf(made), null);
        }
        if (n > 200) {
            this.send(
                "more",
                { run: id, revision: made.run.revision, last_step: steps[n - 1].step },
                id,
            );
            return;
        }
        const words = (rows, name) => column(rows, name).map(word);
        this.send(
            "rows",
            {
                run: id,
                revision: made.run.revision,
                step: {
                    attempt: steps.map(() => 1),
                    seq: column(steps, "step").map((v) => v + 1),
                    ...Object.fromEntries(
                        ["step", "loss", "grad_norm", "lr", "clip_threshold"].map((name) => [
                            name,
                            words(steps, name),
                        ]),
                    ),
                    delta_norm: steps.map(() => null),
                    param_norm: steps.map(() => null),
                },
                probe: Object.fromEntries(
                    ["step", "start", "trapezoid", "simpson", "smoothness", "smoothness_ceiling", "smoothness_noise_floor", "smoothness_rounding_floor",
                        "secant", "secant_ceiling", "secant_noise_floor", "secant_rounding_floor", "flags"].map(
                        (name) => [name, words(probes, name)],
                    ),
                ),
            },
            id,
        );
    }

    /** run: the id whose own streams get it; null: the streams of all runs too. */
    send(name, body, run) {
        const text = `id: ${this.nextId++}\nevent: ${name}\ndata: ${JSON.stringify(body)}\n\n`;
        for (const stream of this.streams) {
            if (run === null ? [null, body.id ?? body.run].includes(stream.run) : stream.run === run) {
                stream.reply.write(text);
            }
        }
    }

    async answer(request, reply) {
        const url = new URL(request.url, this.url);
        this.requests.push(url.pathname + url.search);
        const path = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
        if (path[0] !== "api") {
            return this.file(url.pathname, reply);
        }
        const [, , what, id, part] = path;
        if (what === "events" || part === "events") {
            return this.stream(request, reply, id ?? null);
        }
        const body = this.body(what, id, part, url.searchParams);
        const status = body === null ? 404 : 200;
        reply.writeHead(status, {
            "Content-Type": status === 200 ? "application/json" : "application/problem+json",
        });
        reply.end(
            JSON.stringify(
                body ?? {
                    type: "about:blank",
                    title: "Not found",
                    status: 404,
                    detail: "no such run",
                    code: "not_found",
                },
            ),
        );
    }

    body(what, id, part, query) {
        if (what === "projects") {
            return {
                data: [...new Set([...this.runs.values()].map((m) => m.run.project))].map(
                    (name) => ({ name, runs: 1, updated_wall_ns: "0" }),
                ),
                page: { next_cursor: null },
            };
        }
        if (what === "self") {
            return {
                version: "0",
                ingest: "tcp://127.0.0.1:7011",
                ready: this.problem === null,
                problem: this.problem,
                counters: {},
                gauges: {},
            };
        }
        if (what === "alerts") {
            const all = [...this.runs.values()].flatMap((made) => made.alerts);
            return this.alerts(all.sort((a, b) => (BigInt(a.wall_ns) < BigInt(b.wall_ns) ? 1 : -1)), query);
        }
        if (what !== "runs") {
            return null;
        }
        if (id === undefined) {
            return this.list(query);
        }
        const made = this.runs.get(id);
        const from = Number(query.get("from") ?? 0);
        const to = Number(query.get("to") ?? Infinity);
        const x = query.get("x") ?? query.get("regressor") ?? "simpson";
        switch (made && (part ?? "run")) {
            case "run":
                return {
                    ...runOf(made),
                    config: made.config ?? { lr: 1, batch: 32 },
                    hello: { host: "mock" },
                    streams: [],
                };
            case "series":
                return seriesOf(
                    made,
                    query.get("metric").split(","),
                    Number(query.get("buckets")),
                    from,
                    to,
                );
            case "scatter":
                return scatterOf(made, x, made.most ?? Number(query.get("max") ?? 20000), from, to);
            case "fits":
                return { data: fitsOf(made, x, from, to) };
            case "verdict":
                return { data: verdictOf(made, x, from, to, Number(query.get("group") ?? 0)) };
            case "alerts":
                return this.alerts(made.alerts, query);
            case "messages":
                return recordsOf(made.messages, query);
            case "sharpness":
                return recordsOf(made.norms, query);
            case "diagnostics":
                return { data: diagnosticsOf(made) };
            case "ranks":
                return { data: ranksOf(made) };
            case "probes":
                return recordsOf(groupsOf(made), query);
            case "layers":
                return {
                    data: Array.from({ length: made.options.layers }, (_, i) => (
                        { group: i + 1, name: LAYER_NAMES[i] ?? `layer ${i + 1}`, size: 64, rows: 8, cols: 8, norm: 1, combine: 0, ranks: 1, size_sum: 64 })),
                    newest: newestOf(groupsOf(made)),
                };
            default:
                return null;
        }
    }

    list(query) {
        const [q, state, project] = ["q", "state", "project"].map((name) => query.get(name) ?? "");
        const all = [...this.runs.values()]
            .map(runOf)
            .filter(
                (r) =>
                    (r.name + r.id).includes(q) &&
                    (state === "" || r.state === state) &&
                    (project === "" || r.project === project),
            )
            .sort((a, b) => (BigInt(a.created_wall_ns) < BigInt(b.created_wall_ns) ? 1 : -1));
        const { rows, page } = pageOf(all, query, 50);
        return { data: rows, page };
    }

    alerts(all, query) {
        const { rows, page } = pageOf(all, query, 100);
        return { data: rows, page };
    }

    stream(request, reply, run) {
        if (run !== null && !this.runs.has(run)) {
            reply.writeHead(404);
            return reply.end();
        }
        reply.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
        reply.write(":hb\n\n");
        const stream = { reply, run };
        this.streams.add(stream);
        request.on("close", () => this.streams.delete(stream));
    }

    async file(path, reply) {
        let name = path;
        let text = await readFile(join(this.folder, name)).catch(() => null);
        if (text === null && !name.includes(".")) {
            name = "/index.html";
            text = await readFile(join(this.folder, name));
        }
        reply.writeHead(text === null ? 404 : 200, {
            "Content-Type": TYPES[extname(name)] ?? "application/octet-stream",
            "Content-Security-Policy": CSP,
        });
        reply.end(text ?? "");
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const mock = new Mock(process.argv[2] ?? "build/web");
    mock.add(madeUpRun("live-run", { steps: 300, normEvery: 12, layers: 5 })).cuts = [{ step: 120, cause: "lr_drop" }];
    mock.add(madeUpRun("huge", { steps: 1_000_000, seed: 2, state: "finished" }));
    mock.add(madeUpRun("few", { steps: 12, seed: 3 }));
    await mock.start(Number(process.argv[3] ?? 0));
    setInterval(() => mock.push("live-run", 3), 100);
    console.log(mock.url);
}
