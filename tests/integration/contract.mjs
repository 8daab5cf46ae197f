// The contract: schema/openapi.yaml is sound, names what there is, and every
// reply of a real trajd is one that it describes.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(join(root, "web/package.json"));
const { parse } = require("yaml");
const Ajv = require("ajv/dist/2020").default;
const { Validator } = await import(require.resolve("@seriousme/openapi-schema-validator"));

const text = readFileSync(join(root, "schema/openapi.yaml"), "utf8");
const api = parse(text);
const ajv = new Ajv({ strict: false, allErrors: true });
ajv.addSchema({ $id: "api", ...api });

// ---- a daemon with data

const folder = mkdtempSync(join(tmpdir(), "trajd-contract-"));
let daemon;
let base;
let ingest;

before(async () => {
  const binary = join(root, process.env.TRAJ_BUILD ?? "build", "trajd");
  daemon = spawn(binary, ["--db", join(folder, "trajd.db"), "--http", "127.0.0.1:0", "--ingest", "tcp://127.0.0.1:0"],
    { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await new Promise((resolve, reject) => {
    createInterface({ input: daemon.stdout }).once("line", (l) => resolve([l]));
    daemon.once("exit", (code) => reject(new Error(`trajd ended with ${code}`)));
    daemon.once("error", reject);
  });
  const ready = /^trajd ready http=(\S+) ingest=(\S+) /.exec(line);
  assert.ok(ready, line);
  base = new URL(ready[1]);
  ingest = ready[2];
  feed();
});

function feed(...words) {
  const python = process.env.PYTHON ?? "/usr/bin/python3";
  const done = spawnSync(python, [join(root, "tests/integration/feed.py"), ingest, ...words], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
}

after(async () => {
  daemon.kill("SIGTERM");
  const code = daemon.exitCode ?? await new Promise((resolve) => daemon.once("exit", resolve));
  rmSync(folder, { recursive: true });
  assert.equal(code, 0);
});

// ---- requests, with targets exactly as given

function request(target, { method = "GET", headers = {}, read = true, body } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request({ host: base.hostname, port: base.port, path: target, method, headers, agent: false }, (res) => {
      if (!read) {
        res.destroy();
        resolve({ status: res.statusCode, headers: res.headers, body: "" });
        return;
      }
      const chunks = [];
      res.on("data", (chunk) => chunks.push(chunk));
      res.on("end", () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks).toString() }));
      res.on("error", reject);
    });
    req.on("error", reject);
    req.end(body);
  });
}

// ---- what the document says of a reply

const escaped = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");

function deref(node, pointer) {
  if (node?.$ref === undefined) return [node, pointer];
  const path = node.$ref.slice(2).split("/");
  return [path.reduce((at, key) => at[key], api), node.$ref.slice(1)];
}

const validators = new Map();
function validate(pointer, value, what) {
  if (!validators.has(pointer)) validators.set(pointer, ajv.compile({ $ref: `api#${encodeURI(pointer)}` }));
  const check = validators.get(pointer);
  assert.ok(check(value), `${what}: ${JSON.stringify(check.errors?.slice(0, 3))}`);
}

const everywhere = {
  "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
};

function conforms(path, method, reply, what) {
  for (const [name, value] of Object.entries(everywhere)) assert.equal(reply.headers[name], value, `${what}: ${name}`);
  assert.match(reply.headers["content-security-policy"], /default-src 'none'/, what);
  assert.equal(reply.headers["access-control-allow-origin"], undefined, what);
  const here = `/paths/${escaped(path)}/${method.toLowerCase()}/responses/${reply.status}`;
  const listed = api.paths[path][method.toLowerCase()].responses[reply.status];
  assert.ok(listed, `${what}: status ${reply.status} is not in the document: ${reply.body.slice(0, 200)}`);
  const [response, pointer] = deref(listed, here);
  if (response.content === undefined) {
    assert.equal(reply.body, "", what);
    return;
  }
  const media = reply.headers["content-type"].split(";")[0];
  assert.ok(response.content[media], `${what}: ${media} is not in the document`);
  const schema = `${pointer}/content/${escaped(media)}/schema`;
  if (media.endsWith("json") && media !== "application/x-ndjson") validate(schema, JSON.parse(reply.body), what);
  if (media === "application/x-ndjson") {
    for (const line of reply.body.split("\n").slice(0, -1)) validate(schema, JSON.parse(line), what);
  }
  if (reply.status === 503) assert.ok(reply.headers["retry-after"], what);
}

async function check(path, target, options = {}) {
  const reply = await request(target, options);
  conforms(path, options.method ?? "GET", reply, target);
  return reply;
}

async function json(path, target) {
  const reply = await check(path, target);
  assert.equal(reply.status, 200, reply.body);
  return JSON.parse(reply.body);
}

// ---- the document

test("the document is OpenAPI 3.1", async () => {
  const { valid, errors } = await new Validator().validate(parse(text));
  assert.ok(valid, JSON.stringify(errors));
});

test("the document names the routes that there are, and no others", () => {
  const table = readFileSync(join(root, "daemon/http/routes.c"), "utf8");
  const routes = [...table.matchAll(/\{ REQUEST_(\w+), "(\/[^"*]+)"/g)].map((m) => `${m[1].toLowerCase()} ${m[2]}`);
  const documented = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.keys(item).filter((key) => key !== "parameters").map((method) => `${method} ${path}`));
  assert.deepEqual(routes.sort(), documented.sort());
});

test("the records' schemas have the fields of wire.h", () => {
  const header = readFileSync(join(root, "schema/wire.h"), "utf8");
  for (const kind of ["STEP", "PROBE", "METRIC", "EVENT", "SHARPNESS", "GROUP"]) {
    const body = new RegExp(`#define WIRE_${kind}_FIELDS\\(X\\)([\\s\\S]*?)\\n\\n`).exec(header)[1];
    const fields = ["attempt", "rank", "seq", ...[...body.matchAll(/X\(\d+, (\w+),/g)].map((m) => m[1])];
    const name = kind[0] + kind.slice(1).toLowerCase();
    for (const shape of ["Columns", "Row"]) {
      assert.deepEqual(Object.keys(api.components.schemas[name + shape].properties), fields, name + shape);
    }
  }
});

test("both forms of the document are served", async () => {
  assert.equal((await check("/api/v1/openapi.yaml", "/api/v1/openapi.yaml")).body, text);
  assert.deepEqual(await json("/api/v1/openapi.json", "/api/v1/openapi.json"), api);
});

// ---- every operation, as it should go

const RUN = "/api/v1/runs/{id}";
const live = "/api/v1/runs/contract.live";

test("projects and runs", async () => {
  const { data } = await json("/api/v1/projects", "/api/v1/projects");
  assert.deepEqual(data.map((p) => [p.name, p.runs]).sort(), [["contract", 2], ["default", 3]]);
  const runs = await json("/api/v1/runs", "/api/v1/runs");
  assert.equal(runs.data.length, 5);
  assert.equal(runs.page.next_cursor, null);
  for (const [query, ids] of [
    ["project=contract", ["contract.done", "contract.live"]], ["tag=two", ["contract.live"]],
    ["q=doom", ["contract.doomed"]], ["state=finished", ["contract.done"]], ["state=failed", ["contract.failed"]],
  ]) {
    const found = await json("/api/v1/runs", `/api/v1/runs?${query}`);
    assert.deepEqual(found.data.map((r) => r.id).sort(), ids, query);
  }
});

test("pages of runs are each run once, and a cursor of other filters is refused", async () => {
  const seen = [];
  let cursor = "";
  do {
    const page = await json("/api/v1/runs", `/api/v1/runs?limit=2${cursor && `&cursor=${cursor}`}`);
    assert.ok(page.data.length <= 2);
    seen.push(...page.data.map((r) => r.id));
    cursor = page.page.next_cursor;
  } while (cursor !== null);
  assert.equal(new Set(seen).size, 5);
  assert.equal(seen.length, 5);
  const { page } = await json("/api/v1/runs", "/api/v1/runs?limit=1");
  const stale = await check("/api/v1/runs", `/api/v1/runs?limit=1&q=x&cursor=${page.next_cursor}`);
  assert.equal(stale.status, 400);
  assert.match(JSON.parse(stale.body).detail, /^cursor/);
});

test("a run with its configuration as it was given", async () => {
  const reply = await check(RUN, live);
  assert.match(reply.body, /"big": ?9007199254740993[,}]/);
  const run = JSON.parse(reply.body);
  assert.deepEqual(run.records, { step: 200, probe: 100, metric: 20, event: 1, sharpness: 10, group: 39 });
  assert.equal((await json(RUN, "/api/v1/runs/contract.failed")).exit_code, -9);
});

test("an ETag that the client has is answered with 304", async () => {
  for (const [path, target] of [[RUN, live], [`${RUN}/steps`, `${live}/steps?limit=3`], [`${RUN}/series`, `${live}/series?metric=loss`], [`${RUN}/layers`, `${live}/layers`]]) {
    const first = await check(path, target);
    const again = await check(path, target, { headers: { "If-None-Match": first.headers.etag } });
    assert.equal(again.status, 304, target);
    assert.equal((await check(path, target, { headers: { "If-None-Match": '"x"' } })).status, 200);
  }
});

const kinds = { steps: ["step", 200], probes: ["probe", 100], messages: ["event", 1], metrics: ["metric", 20],
  sharpness: ["sharpness", 10], groups: ["group", 39] };

for (const [route, [kind, n]] of Object.entries(kinds)) {
  test(`${route} in pages of columns, NDJSON and CSV are the same rows`, async () => {
    const path = `${RUN}/${route}`;
    const whole = await json(path, `${live}/${route}`);
    assert.equal(whole.rows, n);
    for (const column of Object.values(whole.data)) assert.equal(column.length, n);
    const seqs = [];
    let cursor = "";
    do {
      const page = await json(path, `${live}/${route}?limit=7${cursor && `&cursor=${cursor}`}`);
      seqs.push(...page.data.seq);
      cursor = page.page.next_cursor;
    } while (cursor !== null);
    assert.deepEqual(seqs, whole.data.seq);
    const lines = (await check(path, `${live}/${route}`, { headers: { Accept: "application/x-ndjson" } })).body.trim().split("\n");
    assert.deepEqual(lines.map((l) => JSON.parse(l).seq), seqs);
    const csv = await check(path, `${live}/${route}?format=csv&fields=step`);
    assert.equal(csv.body.split("\n").length, n + 2);
    assert.equal(csv.body.split("\n")[0], "attempt,rank,seq,step");
    assert.equal((await check(path, `${live}/${route}`, { headers: { Accept: "image/png" } })).status, 406);
    for (const form of ["ndjson", "csv"]) await check(`${RUN}/export`, `${live}/export?kind=${kind}&format=${form}`);
    await check(`${RUN}/array`, `${live}/array?kind=${kind}`);
  });
}

test("what is not finite, not measured or beyond 2^53 is said", async () => {
  const { data } = await json(`${RUN}/steps`, `${live}/steps?from=5&to=6&fields=loss,tokens`);
  assert.deepEqual(data.loss, ["NaN", "-Infinity"]);
  assert.deepEqual(data.tokens, [null, "9007199254740998"]);
});

test("layers by number, and none where the run has none", async () => {
  const path = `${RUN}/layers`;
  const { data } = await json(path, `${live}/layers`);
  const named = { rows: 0, cols: 0, norm: 0, combine: 0, ranks: 1 };
  assert.deepEqual(data, [
    { ...named, group: 1, name: "embed", size: 1000, rows: 100, cols: 10, norm: 3, size_sum: 1000 },
    { ...named, group: 2, name: "größe/1.weight", size: Number.MAX_SAFE_INTEGER, combine: 1, size_sum: Number.MAX_SAFE_INTEGER },
    { ...named, group: 3, name: "bias", size: 10, norm: 2, size_sum: 10 },
  ]);
  assert.deepEqual((await json(path, "/api/v1/runs/contract.done/layers")).data, []);
});

test("a metric by its name, and none by another", async () => {
  const path = `${RUN}/metrics`;
  assert.equal((await json(path, `${live}/metrics?name=eval%2Floss`)).rows, 20);
  assert.equal((await json(path, `${live}/metrics?name=eval`)).rows, 0);
});

test("series, scatter and fits", async () => {
  const names = ["loss", "grad_norm", "smoothness", "step_limit", "metric:eval/loss"];
  for (const run of ["contract.live", "contract.empty"]) {
    const at = `/api/v1/runs/${run}`;
    const series = await json(`${RUN}/series`, `${at}/series?metric=${names.join(",")}&buckets=50`);
    assert.deepEqual(Object.keys(series.data.metrics), names);
    await json(`${RUN}/scatter`, `${at}/scatter`);
    await json(`${RUN}/scatter`, `${at}/scatter?max=10`);
    await json(`${RUN}/fits`, `${at}/fits`);
    await json(`${RUN}/diagnostics`, `${at}/diagnostics?steps=150&threshold=0.5,1e-3`);
  }
  const { data } = await json(`${RUN}/fits`, `${live}/fits?regressor=start`);
  assert.equal(data.n, 100);
  const law = data.fits.find((fit) => fit.method === "nnls_relative");
  assert.ok(Math.abs(law.L0 - 1) < 1e-6 && Math.abs(law.L1 - 8) < 1e-6, JSON.stringify(law));
});

test("verdict and advice, with a law and with nothing", async () => {
  const { data } = await json(`${RUN}/verdict`, `${live}/verdict`);
  const phase = data.phases[data.main_phase];
  assert.equal(phase.verdict, data.verdict);
  assert.equal(phase.fit.n, 100);
  const advice = (await json(`${RUN}/advice`, `${live}/advice?grad_norm=2&target=1e-3`)).data;
  assert.equal(advice.verdict, data.verdict);
  const empty = await json(`${RUN}/verdict`, "/api/v1/runs/contract.empty/verdict");
  assert.equal(empty.data.verdict, "no_data");
  assert.deepEqual((await json(`${RUN}/advice`, "/api/v1/runs/contract.empty/advice")).data.advice, { refusal: "no_data" });
  for (const bad of ["grad_norm=0", "grad_norm=-1", "grad_norm=x", "target=Infinity", "target="]) {
    assert.equal((await check(`${RUN}/advice`, `${live}/advice?${bad}`)).status, 400, bad);
  }
});

test("runs are compared, some with nothing to compare", async () => {
  const path = "/api/v1/compare";
  const { data } = await json(path, `${path}?runs=contract.live,contract.empty`);
  assert.deepEqual(data.runs.map((run) => run.fit.n), [100, 0]);
  assert.equal(data.equal_L1, null);
  for (const bad of ["", "?runs=", "?runs=a,,b", "?runs=a,a", `?runs=${Array(17).fill("a").join(",")}`]) {
    assert.equal((await check(path, `${path}${bad}`)).status, 400, bad);
  }
  assert.equal((await check(path, `${path}?runs=contract.live,nobody`)).status, 404);
});

test("diagnostics of the window that is asked for, and eight thresholds at most", async () => {
  const { data } = await json(`${RUN}/diagnostics`, `${live}/diagnostics?steps=150&threshold=0.5,1e-3`);
  assert.equal(data.records, 150);
  assert.deepEqual(data.clipping.would.map((trial) => trial.threshold), [0.5, 0.001]);
  assert.equal((await json(`${RUN}/diagnostics`, `${live}/diagnostics`)).data.faults.first_nonfinite_step, 5);
  const path = `${RUN}/diagnostics`;
  for (const threshold of ["1,1,1,1,1,1,1,1,1", "0", "-1", "1,", "NaN", "1e999"]) {
    const bad = await check(path, `${live}/diagnostics?threshold=${threshold}`);
    assert.equal(bad.status, 400, threshold);
    assert.match(JSON.parse(bad.body).detail, /^threshold: /);
  }
});

test("ranks, their steps and what is wrong with them", async () => {
  const path = `${RUN}/ranks`;
  const { data } = await json(path, "/api/v1/runs/contract.doomed/ranks");
  assert.deepEqual(data.ranks.map((r) => [r.state, r.behind, r.host]),
    [["live", 0, "ü"], ["live", 1, "ü"], ["missing", null, null]]);
  assert.deepEqual(data.findings.map((f) => [f.code, f.field, f.ranks]), [["ranks_differ", "lr", [0, 1]]]);
  assert.deepEqual(data.steps, { from: 0, to: 9, complete: 0, incomplete: 10, open: 0, disagree: 9,
    last_complete: null, rule: "shard" });
  const whole = await json(path, `${live}/ranks?from=0&to=50`);
  assert.equal(whole.data.steps.complete, 51);
  const empty = (await json(path, "/api/v1/runs/contract.empty/ranks")).data;
  assert.deepEqual([empty.steps.rule, empty.findings, empty.ranks.length], [null, [], 2]);
  const global = await json(`${RUN}/series`, `${live}/series?metric=loss&rank=global`);
  assert.equal(global.data.rank, "global");
});

test("alerts, of all runs and of one, page by page", async () => {
  // Steps 5 and 6 of contract.live and .done: raised within seconds.
  const path = `${RUN}/alerts`;
  const deadline = Date.now() + 20000;
  let found = [];
  while (found.length < 2 && Date.now() < deadline) {
    found = (await json("/api/v1/alerts", "/api/v1/alerts?rule=non_finite")).data;
  }
  assert.deepEqual(found.map((a) => [a.rule, a.severity, a.attempt, a.step, a.value, a.limit]),
    Array(2).fill(["non_finite", "error", 1, 5, "NaN", null]));
  assert.deepEqual(found.map((a) => a.run).sort(), ["contract.done", "contract.live"]);
  const first = await json("/api/v1/alerts", "/api/v1/alerts?rule=non_finite&limit=1");
  const second = await json("/api/v1/alerts", `/api/v1/alerts?rule=non_finite&limit=1&cursor=${first.page.next_cursor}`);
  assert.deepEqual([...first.data, ...second.data], found);
  assert.equal(second.page.next_cursor, null);
  const one = (await json(path, `${live}/alerts?rule=non_finite`)).data;
  assert.deepEqual(one, found.filter((a) => a.run === "contract.live"));
  assert.deepEqual((await json("/api/v1/alerts", "/api/v1/alerts?run=contract.live&rule=non_finite")).data, one);
  assert.deepEqual((await json(path, `${live}/alerts?since=${BigInt(one[0].wall_ns) + 1n}&rule=non_finite`)).data, []);
  assert.deepEqual((await json(path, `${live}/alerts?since=${one[0].wall_ns}&rule=non_finite`)).data, one);
  assert.deepEqual((await json("/api/v1/alerts", "/api/v1/alerts?run=nobody")).data, []);
  // Rank 1 of three alone has a spike, and is named; of a run of one process nobody is.
  let ranked = [];
  while (ranked.length < 1 && Date.now() < deadline) {
    ranked = (await json("/api/v1/alerts", "/api/v1/alerts?run=contract.doomed&rank=1")).data;
  }
  assert.deepEqual(ranked.map((a) => [a.run, a.rule, a.rank, a.step]), [["contract.doomed", "spike", 1, 3]]);
  assert.deepEqual((await json(path, "/api/v1/runs/contract.doomed/alerts?rank=1")).data, ranked);
  assert.deepEqual((await json(path, "/api/v1/runs/contract.doomed/alerts?rank=0")).data, []);
  assert.ok(found.every((a) => a.rank === null));
  for (const rank of ["-1", "65536", "x", ""]) {
    assert.equal((await check("/api/v1/alerts", `/api/v1/alerts?rank=${rank}`)).status, 400, rank);
  }
  assert.equal((await check(path, "/api/v1/runs/nobody/alerts")).status, 404);
});

test("event streams begin", async () => {
  for (const [path, target] of [[`${RUN}/events`, `${live}/events`], ["/api/v1/events", "/api/v1/events"]]) {
    const reply = await request(target, { read: false });
    conforms(path, "GET", reply, target);
    assert.equal(reply.status, 200);
  }
});

test("the daemon about itself", async () => {
  assert.equal((await json("/healthz", "/healthz")).status, "ok");
  assert.equal((await json("/readyz", "/readyz")).status, "ready");
  await json("/version", "/version");
  assert.ok((await json("/api/v1/self", "/api/v1/self")).counters.ingest_rows_total > 0);
});

test("metrics are OpenMetrics: each family typed once, samples below it, # EOF last", async () => {
  const { body } = await check("/metrics", "/metrics");
  const lines = body.split("\n");
  assert.deepEqual(lines.slice(-2), ["# EOF", ""]);
  const types = new Map();
  let family = "";
  for (const line of lines.slice(0, -2)) {
    const type = /^# TYPE (\w+) (counter|gauge|info)$/.exec(line);
    if (type) {
      assert.ok(!types.has(type[1]), `${type[1]} is typed twice`);
      types.set(type[1], type[2]);
      family = type[1];
      continue;
    }
    if (line.startsWith("# HELP ")) continue;
    const sample = /^(\w+)(\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (NaN|[+-]Inf|[-+0-9.e]+)$/.exec(line);
    assert.ok(sample, line);
    const suffix = { counter: "_total", info: "_info", gauge: "" }[types.get(family)];
    assert.equal(sample[1], family + suffix, line);
  }
  assert.ok(body.includes('trajd_run_last_step{run="contract.live"'), body);
});

// ---- every operation, as it should not go

test("other methods are refused with those that are allowed", async () => {
  for (const [path, item] of Object.entries(api.paths)) {
    const target = path.replace("{id}", "contract.live");
    const allowed = [...(item.get ? ["GET", "HEAD"] : []), ...(item.delete ? ["DELETE"] : []), ...(item.put ? ["PUT"] : [])];
    for (const method of ["GET", "DELETE", "PUT", "POST", "OPTIONS"].filter((name) => !allowed.includes(name))) {
      const reply = await request(target, { method });
      assert.equal(reply.status, 405, `${method} ${target}`);
      assert.equal(reply.headers.allow, allowed.join(", "), target);
    }
  }
});

test("what is not there is a problem with a code", async () => {
  for (const [path, target] of [[RUN, "/api/v1/runs/nobody"], [`${RUN}/steps`, "/api/v1/runs/nobody/steps"], [`${RUN}/fits`, "/api/v1/runs/nobody/fits"]]) {
    const reply = await check(path, target);
    assert.equal(JSON.parse(reply.body).code, "not_found");
  }
  const reply = await request("/api/v1/nothing");
  assert.equal(reply.status, 404);
  validate("/components/schemas/Problem", JSON.parse(reply.body), "/api/v1/nothing");
});

// mulberry32: the same requests every time.
function random(seed) {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const nasty = ["-1", "0", "1", "2", "00000000000000000007", "1e99", "1e3", "+1", "1%20", "%2b1", "0x10", "18446744073709551615",
  "18446744073709551616", "99999999999999999999999999", "", "%00", "%ff", "%c3%28", "%", "%2", "%zz", "NaN", "null", "all", "newest",
  "json", "csv", "ndjson", "loss", "loss,loss", "loss,", ",", "grad_norm", "simpson", "step", "a".repeat(300), "%F0%9F%92%A9", "'", "%22",
  "..%2f..%2fetc", "%5c", "live", "metric:eval/loss", "AAAA", "-".repeat(50)];

test("no parameter brings a reply that the document does not have", async () => {
  const pick = random(20261122);
  const operations = Object.entries(api.paths).filter(([path, item]) => item.get && !path.endsWith("/events"));
  for (let i = 0; i < 1500; i++) {
    const [path, item] = operations[pick(operations.length)];
    const known = (item.get.parameters ?? []).map((p) => deref(p)[0]).filter((p) => p.in === "query").map((p) => p.name);
    const names = [...known, "nonsense", "limit", "LIMIT"];
    const query = Array.from({ length: 1 + pick(3) }, () => `${names[pick(names.length)]}=${nasty[pick(nasty.length)]}`);
    const target = `${path.replace("{id}", "contract.live")}?${query.join("&")}`;
    await check(path, target);
  }
});

const example = (parameter) => `${parameter.name}=${parameter.name === "runs" ? "contract.live" : "loss"}&`;

// A value at the bound, and one beyond it, for each bound of a schema.
function bounds(schema) {
  const found = [];
  if (schema.minimum !== undefined) found.push([schema.minimum, schema.minimum - 1]);
  if (schema.maximum !== undefined) found.push([schema.maximum, schema.maximum + 1]);
  if (schema.minLength !== undefined) found.push(["a".repeat(schema.minLength), ""]);
  if (schema.maxLength !== undefined) found.push(["a".repeat(schema.maxLength), "a".repeat(schema.maxLength + 1)]);
  return found;
}

test("each bound of each parameter holds, and one beyond it is a 400 that names it", async () => {
  let crossed = 0;
  for (const [path, item] of Object.entries(api.paths)) {
    const parameters = (item.get?.parameters ?? []).map((p) => deref(p)[0]).filter((p) => p.in === "query");
    const target = path.replace("{id}", "contract.live");
    for (const { name, schema } of parameters) {
      const needed = parameters.filter((p) => p.required && p.name !== name).map(example).join("");
      const named = new RegExp(`^${name}: `);
      for (const [at, beyond] of bounds(schema)) {
        const good = await check(path, `${target}?${needed}${name}=${at}`);
        // Of the right length and yet no cursor, column or metric.
        if (typeof at === "number") assert.equal(good.status, 200, `${target} ${name}=${at}: ${good.body}`);
        const bad = await check(path, `${target}?${needed}${name}=${beyond}`);
        assert.equal(bad.status, 400, `${target} ${name}=${beyond}`);
        assert.match(JSON.parse(bad.body).detail, named);
        crossed++;
      }
    }
  }
  assert.ok(crossed > 40, `${crossed} bounds`);
});

test("a series takes 16 metrics and no more", async () => {
  const names = (n) => Array.from({ length: n }, (_, i) => `metric:m${i}`).join(",");
  const path = `${RUN}/series`;
  assert.equal(Object.keys((await json(path, `${live}/series?metric=${names(16)}`)).data.metrics).length, 16);
  const more = await check(path, `${live}/series?metric=${names(17)}`);
  assert.equal(more.status, 400);
  assert.match(JSON.parse(more.body).detail, /^metric: /);
});

test("a parameter that is unknown or given twice is a 400 that names it", async () => {
  for (const [path, item] of Object.entries(api.paths)) {
    if (!item.get) continue;
    const needed = (item.get.parameters ?? []).filter((p) => p.required).map((p) => `${p.name}=loss&`).join("");
    const target = `${path.replace("{id}", "contract.live")}?${needed}`;
    for (const [query, name] of [["colour=red", "colour"], ["hue=1&hue=2", "hue"]]) {
      const reply = await check(path, `${target}${query}`);
      assert.equal(reply.status, 400, `${target}${query}`);
      assert.match(JSON.parse(reply.body).detail, new RegExp(`^${name}:`));
    }
  }
});

test("only pages of this origin may delete, and what is deleted is gone", async () => {
  const doomed = "/api/v1/runs/contract.doomed";
  for (const headers of [{ Origin: "http://evil.example" }, { Origin: "null" }, { "Sec-Fetch-Site": "cross-site" }, { Host: "evil.example" }]) {
    assert.equal((await check(RUN, doomed, { method: "DELETE", headers })).status, 403);
  }
  assert.equal((await check(RUN, doomed, { method: "DELETE", headers: { Origin: base.origin } })).status, 204);
  assert.equal((await check(RUN, doomed)).status, 404);
  assert.equal((await check(RUN, doomed, { method: "DELETE" })).status, 404);
});

const RATE = `${RUN}/probe_every`;
const asked = `${live}/probe_every`;
const typed = { "Content-Type": "application/json" };
const put = (target, body, headers = typed) => check(RATE, target, { method: "PUT", headers, body });

test("a probe interval that was put is shown, up to its bounds, and 0 takes it back", async () => {
  assert.equal((await json(RUN, live)).probe_every, 0);
  for (const n of [1, 1000000, 16, 0]) {
    const { headers: { etag } } = await check(RUN, live);
    assert.equal((await put(asked, JSON.stringify({ probe_every: n }))).status, 204);
    const shown = await check(RUN, live, { headers: { "If-None-Match": etag } });
    assert.equal(shown.status, 200);
    assert.equal(JSON.parse(shown.body).probe_every, n);
  }
  assert.equal((await put(asked, ' {"probe_every" : 0} ', { "Content-Type": "Application/JSON; charset=utf-8" })).status, 204);
});

test("what is no probe interval is refused and changes nothing", async () => {
  for (const body of ["", "5", "{}", "[5]", '{"probe_every": 1000001}', '{"probe_every": -1}', '{"probe_every": 1.5}', '{"probe_every": 1e2}',
    '{"probe_every": "5"}', '{"probe_every": null}', '{"probe_every": 5, "more": 1}', '{"other": 5}', '{"probe_every": 5', '{"probe_every": 5} x', "\0"]) {
    const reply = await put(asked, body);
    assert.equal(reply.status, 400, body);
    assert.match(JSON.parse(reply.body).detail, /^body: /);
  }
  const good = '{"probe_every": 5}';
  for (const headers of [{}, { "Content-Type": "text/plain" }, { "Content-Type": "application/x-www-form-urlencoded" }]) {
    assert.equal((await put(asked, good, headers)).status, 415);
  }
  assert.equal((await put(asked, good.padEnd(1025))).status, 413);
  assert.equal((await put(asked, good.padEnd(70000))).status, 413);
  for (const headers of [{ Origin: "http://evil.example" }, { "Sec-Fetch-Site": "cross-site" }, { Host: "evil.example" }]) {
    assert.equal((await put(asked, good, { ...typed, ...headers })).status, 403);
  }
  assert.equal((await put(`${asked}?x=1`, good)).status, 400);
  assert.equal((await put("/api/v1/runs/nobody/probe_every", good)).status, 404);
  assert.equal((await json(RUN, live)).probe_every, 0);
  assert.equal((await put(asked, good.padEnd(1024))).status, 204);
  assert.equal((await json(RUN, live)).probe_every, 5);
});

test("a run that has ended takes no probe interval but 0", async () => {
  for (const [run, text, status] of [["done", "5", 409], ["failed", "1", 409], ["done", "0", 204]]) {
    const reply = await put(`/api/v1/runs/contract.${run}/probe_every`, `{"probe_every": ${text}}`);
    assert.equal(reply.status, status);
  }
});

// Last: contract.live has more in it from here on.
const events = { rows: "LiveRows", more: "LiveMore", run: "Run", fit: "Fits", verdict: "VerdictEvent", alert: "Alert" };

test("the data of live events are what the document says", { timeout: 30000 }, async () => {
  const stream = await new Promise((resolve, reject) => {
    http.get({ host: base.hostname, port: base.port, path: `${live}/events`, agent: false }, resolve).on("error", reject);
  });
  feed("again");
  const missing = new Set(Object.keys(events));
  stream.setEncoding("utf8");
  let rest = "";
  for await (const piece of stream) {
    const blocks = (rest + piece).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const event = /^event: (\w+)\ndata: (.*)$/m.exec(block);
      if (event === null) continue;
      const [, name, data] = event;
      assert.ok(events[name], block);
      validate(`/components/schemas/${events[name]}`, JSON.parse(data), name);
      missing.delete(name);
    }
    if (missing.size === 0) break;
  }
  assert.deepEqual([...missing], []);
});
