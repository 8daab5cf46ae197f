// states.test.mjs: the page in every state, before a stand-in for the daemon.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { axeViolations } from "./browser.mjs";
import { madeUpRun } from "./mock.mjs";
import { NARROW, SCATTER, asked, caption, folder, pixels, points, shows, visit } from "./stand.mjs";
import { until } from "./wait.mjs";

test("a daemon without runs says how to record one, and where to", async () => {
    await visit("/", [], async (page, mock) => {
        await shows(page, "No runs yet");
        await shows(page, "tcp://127.0.0.1:7011");
        assert.match(await page.locator(".hook pre").innerText(), /traj_before_update/);
        assert.deepEqual(await axeViolations(page), []);
        mock.add(madeUpRun("first"));
        await shows(page, "first");
        assert.equal(await page.locator(".hook").count(), 0);
    });
});

const EVERY_STATE = ["live", "stalled", "lost", "finished", "failed"].map((state, i) =>
    madeUpRun(`run-${state}`, {
        state,
        steps: 40,
        seed: i,
        exit_code: state === "failed" ? 3 : null,
        created_wall_ns: `${1700000000 + i}000000000`,
    }),
);

test("the list tells states apart by sign and word, and shows L1 of the runs that have one", async () => {
    await visit("/", EVERY_STATE, async (page) => {
        await shows(page, "run-failed");
        const badges = await page.locator("tbody .badge").allInnerTexts();
        assert.deepEqual(badges, ["▲ failed", "✓ finished", "✕ lost", "◐ stalled", "● live"]);
        await page.waitForFunction(() =>
            [...document.querySelectorAll("td.col-l1")].every(
                (cell) => cell.textContent === "8.16",
            ),
        );
        assert.deepEqual(await axeViolations(page), []);
    });
});

test("the list shows no L1 that something speaks against", async () => {
    const run = madeUpRun("noisy", { steps: 40 });
    run.warnings = ["near_ceiling"];
    await visit("/", [run], async (page) => {
        await page.waitForFunction(() => document.querySelector("td.col-l1")?.textContent === "in doubt");
    });
});

test("the list is walked by j and k, filtered by /, and Enter opens a run", async () => {
    await visit("/", EVERY_STATE, async (page) => {
        await shows(page, "run-failed");
        await page.keyboard.press("j");
        await page.keyboard.press("j");
        await page.keyboard.press("k");
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "run-failed");
        await page.keyboard.press("/");
        await page.keyboard.type("run-l");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
        assert.match(page.url(), /q=run-l/);
        await page.locator("select").first().selectOption("lost");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
        await page.locator("a.run").focus();
        await page.keyboard.press("Enter");
        await shows(page, "40 points");
        assert.match(page.url(), /\/runs\/run-lost/);
        await page.goBack();
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
    });
});

test("a list of many runs goes on by its cursor, and a run that changes is changed in place", async () => {
    const many = Array.from({ length: 120 }, (_, i) =>
        madeUpRun(`r${i}`, { steps: 1, every: 0, created_wall_ns: `${1700000000 + i}000000000` }),
    );
    await visit("/", many, async (page, mock) => {
        await shows(page, "50 runs, more below");
        await page.getByText("Load more").click();
        await shows(page, "100 runs, more below");
        await page.getByText("Load more").click();
        await shows(page, "120 runs");
        many[119].run.state = "failed";
        many[119].run.revision++;
        mock.add(many[119]);
        await page.waitForFunction(() =>
            document.querySelector("tbody tr").textContent.includes("failed"),
        );
        assert.equal(await page.locator("tbody tr").count(), 120);
    });
});

test("points arrive without a reload, in picture and panels", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "100 points");
        await shows(page, "Of the last 100 steps");
        const fetched = mock.requests.length;
        for (let i = 0; i < 5; i++) {
            mock.push("r", 10);
        }
        await shows(page, "150 points");
        await shows(page, "all 150 rows drawn");
        assert.equal(mock.requests.length, fetched, "nothing was fetched again");
    });
});

test("a tick with too many rows is fetched again, at most once a second", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "100 points");
        const before = mock.requests.filter((r) => r.includes("/series?metric=loss")).length;
        const started = Date.now();
        for (let i = 0; i < 8; i++) {
            mock.push("r", 300);
            await new Promise((done) => setTimeout(done, 100));
        }
        await shows(page, "2,500 points");
        const fetched = mock.requests.filter((r) => r.includes("/series?metric=loss")).length - before;
        assert.ok(fetched <= 2 + (Date.now() - started) / 1000, `${fetched} fetches`);
    });
});

test("resync fetches all again", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "100 points");
        mock.runs.set("r", madeUpRun("r", { steps: 70 }));
        mock.send("resync", {}, "r");
        await shows(page, "70 points");
    });
});

test("rows that come while the page fetches are not lost", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "100 points");
        const answer = mock.body.bind(mock);
        let held = false;
        mock.body = (...query) => {
            const body = answer(...query);
            if (query[2] === "scatter" && !held) {
                held = true;
                mock.push("r", 7);
            }
            return body;
        };
        mock.send("resync", {}, "r");
        await shows(page, "107 points");
    });
});

test("a run that changes while the list is fetched is shown as it is now", async () => {
    const made = madeUpRun("r", { name: "before" });
    await visit("/", [made], async (page, mock) => {
        await shows(page, "before");
        const answer = mock.body.bind(mock);
        mock.body = (what, ...query) => {
            const body = answer(what, ...query);
            if (what !== "runs") {
                return body;
            }
            mock.body = answer;
            const old = structuredClone(body);
            old.data.push({ ...old.data[0], id: "other", name: "the other", created_wall_ns: "1" });
            made.run.name = "now";
            mock.say("r", { text: "changed" });
            return old;
        };
        mock.send("resync", {}, null);
        await shows(page, "the other");
        await page.waitForFunction(() => [...document.querySelectorAll("tbody a")].some((a) => a.textContent === "now"), null, { timeout: 5000 });
    });
});

test("rows between the first answer and the opening of the stream are not lost", async () => {
    await visit("/", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        const open = mock.stream.bind(mock);
        mock.stream = async (request, reply, run) => {
            if (run === "r") {
                // Not the list's, which may still be on its way here.
                await until("the page has asked", () =>
                    mock.requests.some((r) => r.includes("/scatter")),
                );
                mock.push("r", 7);
            }
            open(request, reply, run);
        };
        await page.goto(`${mock.url}/runs/r`);
        await shows(page, "107 points");
    });
});

test("a point is picked by pointer and by keys, and told", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 60 })], async (page) => {
        await shows(page, "60 points");
        await page.locator(".scatter .plot").focus();
        await page.keyboard.press("Home");
        const first = /step 0 · gradient norm .* · smoothness .* · ceiling/;
        assert.match(await page.locator(".scatter .readout").innerText(), first);
        await page.waitForFunction(() =>
            /step 0 .*smoothness/.test(document.querySelector("[role=status]").textContent),
        );
        await page.keyboard.press("ArrowRight");
        assert.match(await page.locator(".scatter .readout").innerText(), /step 1 /);
        const found = await hoverUntilPicked(page);
        assert.match(found, /step \d+ · gradient norm/);
    });
});

/** Move over the picture until a point answers. */
async function hoverUntilPicked(page) {
    const box = await page.locator(".scatter .u-over").boundingBox();
    for (let y = 0.9; y > 0.1; y -= 0.04) {
        for (let x = 0.05; x < 0.95; x += 0.04) {
            await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
            const said = await page.locator(".scatter .readout").innerText();
            if (said !== "") {
                return said;
            }
        }
    }
    return "";
}

test("a drag over a panel fetches finer buckets of that part, a double click the whole again", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 20_000 })], async (page) => {
        await shows(page, "buckets of 20,000 rows, extremes kept");
        const panel = page.locator(".panels .u-over").first();
        await shows(page, "↗ grows");
        await panel.scrollIntoViewIfNeeded();
        const box = await panel.boundingBox();
        const at = (t) => box.x + t * box.width;
        await page.mouse.move(at(0.5), box.y + 50);
        await page.mouse.down();
        await page.mouse.move(at(0.52), box.y + 60, { steps: 4 });
        await page.mouse.up();
        await page.waitForFunction(() => /all \d+ rows drawn/.test(document.body.innerText));
        assert.match(page.url(), /range=\d+-\d+/);
        await shows(page, "only");
        assert.ok((await points(page)) < 500);
        await page.mouse.dblclick(at(0.5), box.y + 50);
        await shows(page, "buckets of 20,000 rows, extremes kept");
        assert.doesNotMatch(page.url(), /range/);
    });
});

test("the address keeps the view: regressor, axes, ceiling, theme", async () => {
    await visit(
        "/runs/r?x=start&flip=loss&ceiling=0&theme=dark",
        [madeUpRun("r", { steps: 60 })],
        async (page, mock) => {
            await shows(page, "60 points");
            assert.equal(await page.locator(".scatter select").inputValue(), "start");
            assert.equal(await page.getByLabel("Loss: logarithmic axis").isChecked(), true);
            assert.equal(await page.getByLabel("ceiling").isChecked(), false);
            assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
            assert.ok(mock.requests.some((r) => r.includes("/fits?regressor=start")));
            await page.locator(".scatter select").selectOption("trapezoid");
            await page.waitForURL(/x=trapezoid/);
            await until("the scatter of the other regressor", () =>
                mock.requests.some((r) => r.includes("/scatter?x=trapezoid")),
            );
        },
    );
});

test("what is not finite is marked, counted and placed", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 300, nan: [100, 101, 200] })], async (page) => {
        await shows(page, "3 values NaN or infinite (▼), from step 100 on");
    });
});

test("few points say how many are missing, no probe says what it needs", async () => {
    await visit(
        "/runs/few",
        [madeUpRun("few", { steps: 12 }), madeUpRun("none", { steps: 50, every: 0 })],
        async (page, mock) => {
            await shows(page, "oo few probes: 12 pairs, 30 are needed");
            await page.goto(`${mock.url}/runs/none`);
            await shows(page, "needs two gradients on the same batch");
            assert.deepEqual(await axeViolations(page), []);
        },
    );
});

test("a run whose probes are all left out is not told that it has none", async () => {
    await visit("/runs/tiny", [madeUpRun("tiny", { steps: 40, tiny: true })], async (page) => {
        await shows(page, "No probe of 40 has a point");
        await shows(page, "≈ limited by rounding");
        await shows(page, "40 the step was too small to measure");
        assert.doesNotMatch(await page.locator("main").innerText(), /No probe yet/);
        assert.deepEqual(await axeViolations(page), []);
    });
});

test("a run that lost records says so, and one that is not there too", async () => {
    await visit(
        "/runs/r",
        [
            madeUpRun("r", {
                state: "lost",
                lost_records: 12,
                dropped_records: 3,
                gaps: ["lost_records", "dropped_records", "stream_open", "rank_missing"],
            }),
        ],
        async (page, mock) => {
            await shows(
                page,
                "incomplete: 12 records lost, 3 records dropped, a trainer has not said that it ended, a rank was never heard of",
            );
            await page.goto(`${mock.url}/runs/gone`);
            await shows(page, "No such run");
            assert.equal(await page.locator(".verdict > .sentence").textContent(), "…");
            assert.deepEqual(await axeViolations(page), []);
        },
    );
});

test("why a run is incomplete fits a telephone", async () => {
    const gaps = ["lost_records", "dropped_records", "stream_open", "rank_missing"];
    const made = madeUpRun("r", { state: "lost", lost_records: 1200, gaps });
    const act = async (page) => {
        await shows(page, "a rank was never heard of");
        const [wide, room] = await page.evaluate(() => [
            document.documentElement.scrollWidth,
            window.innerWidth,
        ]);
        assert.ok(wide <= room, `${wide} wide on ${room}`);
    };
    await visit("/runs/r", [made], act, NARROW);
});

test("a daemon that cannot write its database says so until it can", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 40 })], async (page, mock) => {
        mock.problem = "the database cannot be written: commit: database or disk is full";
        await shows(page, "database or disk is full. Trainers keep what they record");
        assert.deepEqual(await axeViolations(page), []);
        mock.problem = null;
        await page.waitForFunction(() => !document.body.innerText.includes("in trouble"));
    });
});

test("a live run is not complete yet, and one that has ended with all its records is", async () => {
    await visit("/runs/r", [madeUpRun("r")], async (page) => {
        await shows(page, "○ not complete yet");
        assert.doesNotMatch(await page.locator("main").innerText(), /incomplete/);
        assert.deepEqual(await axeViolations(page), []);
    });
    const whole = { state: "finished", exit_code: 0, complete: true, gaps: [] };
    await visit("/runs/r", [madeUpRun("r", whole)], async (page) => {
        await shows(page, "✓ complete");
        assert.deepEqual(await axeViolations(page), []);
    });
});

test("more points than can be drawn become a density with its extremes", async () => {
    const made = madeUpRun("r", { steps: 30_000 });
    made.most = 20_000;
    await visit("/runs/r", [made], async (page) => {
        await shows(page, "density of 30,000 points");
        assert.match(
            await page.locator(".scatter canvas[role=img]").getAttribute("aria-label"),
            /as a density/,
        );
        const box = await page.locator(".scatter .u-over").boundingBox();
        for (let x = 0.2; x < 0.8; x += 0.01) {
            await page.mouse.move(box.x + x * box.width, box.y + (1 - x) * box.height);
        }
        let moves = 0; // again where a late answer has drawn the picture anew
        await until("the readout tells of a cell", async () => {
            await page.mouse.move(box.x + box.width / 2 + (moves++ % 2), box.y + box.height * 0.55);
            const told = await page.locator(".scatter .readout").textContent();
            return /points here, mean step|gradient norm/.test(told);
        });
    });
});

test("every chart has its numbers as a table, a page at a time", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 120 })], async (page) => {
        await shows(page, "120 points");
        for (const summary of await page.locator(".table-view summary").all()) {
            await summary.click();
        }
        await page.waitForFunction(
            () => document.querySelectorAll(".table-body table").length === 5,
        );
        const first = page.locator(".scatter .table-body");
        assert.match(await first.locator("tbody tr").first().innerText(), /^0\t/);
        await first.getByText("Next").click();
        assert.match(await first.locator("tbody tr").first().innerText(), /^50\t/);
        assert.deepEqual(await axeViolations(page), []);
    });
});

const INK = [0x1c, 0x25, 0x30]; // of no axis, and of no curve while there are too few points
const SMOOTHNESS = ".panels .chart:nth-child(3) canvas[role=img]";

test("operator norms are drawn in the picture and over the steps, as they come, and compared", async () => {
    const made = [
        madeUpRun("r", { steps: 24, normEvery: 2 }),
        madeUpRun("without", { steps: 24 }),
    ];
    await visit("/runs/without", made, async (page, mock) => {
        await shows(page, "24 points");
        assert.equal(await pixels(page, SCATTER, INK), 0);
        assert.equal(await pixels(page, SMOOTHNESS, INK), 0);
        assert.equal(await page.locator(".comparison").isHidden(), true);
        assert.ok(!mock.requests.some((r) => r.includes("/sharpness")));
        await page.goto(`${mock.url}/runs/r`);
        await shows(page, "9 converged operator norms with ‖g‖: a rank correlation needs 10");
        await shows(page, "◇ operator norm of the Hessian (grey and dashed: not converged");
        await until("the marks are painted", async () => (await pixels(page, SCATTER, INK)) > 100);
        assert.ok((await pixels(page, SMOOTHNESS, INK)) > 100);
        assert.match(await page.locator(SCATTER).getAttribute("aria-label"), /12 operator norms/);
        assert.match(await page.locator(SMOOTHNESS).getAttribute("aria-label"), /‖H‖ \d/);
        mock.push("r", 4);
        await shows(page, "n = 10 converged");
        await shows(page, "a matter of direction");
        await page.locator(".scatter .table-view summary").click();
        const last = page.locator(".scatter .table-body tbody tr").last();
        assert.match(await last.innerText(), /^26\t.*\t–\t–\t−[\d.]+ \(not converged\)$/);
    });
});

test("an operator norm under the pointer is told, and not after it", async () => {
    const made = madeUpRun("r", { steps: 24, normEvery: 2, every: 0 });
    await visit("/runs/r", [made], async (page) => {
        await shows(page, "9 converged operator norms");
        await until("the marks are painted", async () => (await pixels(page, SCATTER, INK)) > 100);
        const said = await hoverUntilPicked(page);
        assert.match(said, /step \d+ · gradient norm .* · operator norm of the Hessian .* · residual/);
        const box = await page.locator(".scatter .u-over").boundingBox();
        await page.mouse.move(box.x + 1, box.y + 1);
        assert.equal(await page.locator(".scatter .readout").innerText(), "");
    });
});

test("diagnostics are fetched while they are open, and not at every event", async () => {
    const made = madeUpRun("r", { steps: 120, normEvery: 12, nan: [40] });
    await visit("/runs/r", [made], async (page, mock) => {
        await shows(page, "first at step 40");
        await shows(page, "of the edge of stability, 2.00, over it");
        await shows(page, "not measured");
        const before = asked(mock, "diagnostics");
        for (let i = 0; i < 5; i++) {
            mock.push("r", 1);
        }
        await shows(page, "125 points");
        await page.getByRole("heading", { name: "Diagnostics" }).click();
        await page.getByRole("heading", { name: "Diagnostics" }).click();
        assert.equal(asked(mock, "diagnostics"), before);
        assert.equal(await page.locator(".drawer:visible").count(), 1);
    });
});

test("on a narrow page diagnostics wait to be asked for, and layers everywhere", async () => {
    const made = madeUpRun("r", { steps: 120, layers: 3 });
    const act = async (page, mock) => {
        await shows(page, "120 points");
        assert.equal(asked(mock, "diagnostics") + asked(mock, "layers"), 0);
        await page.getByRole("heading", { name: "Diagnostics" }).click();
        await shows(page, "Of the last 120 steps");
        await page.getByRole("heading", { name: "Layers" }).click();
        await shows(page, "rnn.1");
        const rows = await page.locator(".drawer").last().locator("tbody tr").allInnerTexts();
        assert.deepEqual(rows.map((row) => row.split("\t")[0]), ["embed", "rnn.0", "rnn.1"]);
        assert.match(rows[1], /\t0\.00100\t3\.50\tRMS\t112\t/);
    };
    await visit("/runs/r", [made], act, NARROW);
});

test("the ranks of a run of several say how far each is, and what is wrong", async () => {
    const runs = [madeUpRun("r", { steps: 50, ranks: 3 }), madeUpRun("alone", { steps: 50 })];
    await visit("/runs/r", runs, async (page, mock) => {
        await shows(page, "3 processes. Of steps 0 to 49");
        await shows(page, "Rank 1 says of ||x|| something else than the others");
        const rows = await page.getByRole("region", { name: "Ranks" }).locator("tbody tr");
        assert.deepEqual(await rows.allInnerTexts(), [
            "0\t● live\t49\t0",
            "1\t● live ▲ 4 records lost\t48\t1",
            "2\t✕ missing\t–\t–",
        ]);
        await page.goto(`${mock.url}/runs/alone`);
        await shows(page, "Of the last 50 steps");
        assert.equal(await page.getByRole("heading", { name: "Ranks" }).isHidden(), true);
    });
});

test("a dead daemon leaves the data and says how old they are; when it is back, so are the rows", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "100 points");
        await mock.stop();
        await shows(page, "Disconnected from trajd. The data are");
        await shows(page, "100 points");
        assert.deepEqual(await axeViolations(page), []);
        mock.push("r", 50);
        await mock.start();
        await shows(page, "150 points");
        await page.waitForFunction(() => document.querySelector(".banner").hidden);
        mock.push("r", 10);
        await shows(page, "160 points");
    });
});

test("pause keeps what comes and draws it when it goes on", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "100 points");
        await page.keyboard.press("p");
        await shows(page, "paused");
        mock.push("r", 20);
        await page.waitForTimeout(400); // nothing must happen: there is no condition to wait for
        assert.equal(await points(page), 100);
        await page.keyboard.press("p");
        await shows(page, "120 points");
    });
});

test("two tabs of a run share one stream, and the second goes on without the first", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock, context) => {
        await shows(page, "100 points");
        const second = await context.newPage();
        await second.goto(`${mock.url}/runs/r`);
        await shows(second, "100 points");
        mock.push("r", 5);
        await shows(page, "105 points");
        await shows(second, "105 points");
        assert.equal(mock.streams.size, 1);
        await page.goto("about:blank");
        await until(
            "the second tab reads the stream",
            () =>
                mock.streams.size === 1 &&
                mock.requests.filter((r) => r.endsWith("/events")).length === 2,
        );
        mock.push("r", 5);
        await shows(second, "110 points");
        assert.deepEqual(await second.evaluate(() => window.violations), []);
        await page.goto(`${mock.url}/runs/r`);
    });
});

for (const [name, options] of [
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["narrow", NARROW],
    [
        "narrow and dark, with less motion",
        { ...NARROW, colorScheme: "dark", reducedMotion: "reduce" },
    ],
]) {
    test(`no barrier and nothing beyond the edge: ${name}`, async () => {
        const made = madeUpRun("r", { steps: 200, config: {}, normEvery: 9, layers: 5, ranks: 4, nan: [7] });
        made.warnings = ["near_ceiling", "monotone_in_time", "narrow_range"];
        made.config = { text: "x".repeat(300) };
        made.cuts = [{ step: 60, cause: "lr_drop" }, { step: 130, cause: "change_point" }];
        await visit(
            "/runs/r",
            [made, ...EVERY_STATE],
            async (page, mock) => {
                await shows(page, "200 points");
                await page.getByText("Configuration").click();
                await shows(page, "◆ spoken of above");
                for (const why of await page.getByRole("button", { name: /^Why/ }).all()) {
                    await why.click();
                }
                for (const title of ["Diagnostics", "Ranks", "Layers"]) {
                    const drawer = page.locator(".drawer", { hasText: title });
                    await drawer.evaluate((element) => element.toggleAttribute("open", true));
                    await drawer.locator("table").waitFor();
                }
                await shows(page, "operator norm of the Hessian");
                assert.deepEqual(await axeViolations(page), []);
                const beyond = () =>
                    page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
                assert.equal(await beyond(), 0);
                await page.goto(mock.url);
                await shows(page, "run-live");
                assert.deepEqual(await axeViolations(page), []);
                assert.equal(await beyond(), 0);
            },
            options,
        );
    });
}

test("the page is one small script under hashed names", () => {
    const names = readdirSync(folder).filter((name) => !name.startsWith("."));
    const scripts = names.filter((name) => name.endsWith(".js"));
    assert.equal(scripts.length, 1);
    assert.match(scripts[0], /-[0-9A-Z]{8}\.js$/);
    assert.ok(gzipSync(readFileSync(join(folder, scripts[0])), { level: 9 }).length <= 60 * 1024);
    const page = readFileSync(join(folder, "index.html"), "utf8");
    names
        .filter((name) => /\.(js|css|svg)$/.test(name))
        .forEach((name) => assert.ok(page.includes(`/${name}`), name));
});
