// alerts.test.mjs: what trajd raised and trainers recorded, in the page, before a stand-in for the daemon.
import assert from "node:assert/strict";
import { test } from "node:test";
import { axeViolations } from "./browser.mjs";
import { addStep, madeUpRun } from "./mock.mjs";
import { NARROW, asked, pixels, shows, visit } from "./stand.mjs";
import { until } from "./wait.mjs";

const ALERTS = ".alerts li";
const LOSS = ".panels .chart:nth-child(1) canvas[role=img]";
const BAD = [0xb3, 0x26, 0x1e]; // --bad
const NAN = { severity: "error", rule: "non_finite", step: 150, value: "NaN", sentence: "the loss is NaN at step 150" };
const SPIKE = { severity: "warning", rule: "spike", step: 40, value: 8.25, limit: 6, sentence: "the loss spikes" };
const lines = (page, selector = ALERTS) =>
    page.locator(selector).evaluateAll((items) => items.map((item) => [...item.children].map((part) => part.textContent).join("|")));
const announced = (page, text) =>
    page.waitForFunction((t) => document.querySelector("[role=status]").textContent === t, text, SOON);
const focused = (page) => page.evaluate(() => document.activeElement.textContent);
const fetches = (mock) => mock.requests.filter((r) => /\/api\/v1\/alerts|\/runs\/r\/alerts/.test(r)).length;
/** Sooner than a stream that is silent is opened anew, which would bring all of it. */
const SOON = { timeout: 10_000 };
/** Alerts are asked for at most once a second: what is shown after this has come by an event. */
const quiet = (mock) =>
    until("no alerts are asked for", async () => {
        const before = fetches(mock);
        await new Promise((done) => setTimeout(done, 1200));
        return fetches(mock) === before;
    });

/** With alerts that were there before the page was. */
function warnedRun(id, alerts, options = {}) {
    const made = madeUpRun(id, { steps: 300, ...options });
    alerts.forEach((alert, i) =>
        made.alerts.unshift({ run: id, attempt: 1, limit: null, wall_ns: `${1_790_000_000 + i}000000000`, ...alert }),
    );
    return made;
}

test("a run without alerts says so, and asks for none", async () => {
    await visit("/runs/r", [madeUpRun("r")], async (page, mock) => {
        await shows(page, "None were raised.");
        assert.equal(await page.locator(".run-head button").first().isHidden(), true);
        assert.equal(fetches(mock), 0);
    });
});

test("alerts are listed newest first, each with sign and word, figures and time, and counted beside the name", async () => {
    await visit("/runs/r", [warnedRun("r", [SPIKE, NAN])], async (page) => {
        await shows(page, "the loss is NaN");
        const when = await page.locator(`${ALERTS} time`).first().getAttribute("datetime");
        assert.equal(when, new Date(1_790_000_001_000).toISOString());
        const told = (await lines(page)).map((line) => line.replace(/\|[^|]*$/, ""));
        assert.deepEqual(told, [
            "✕ error|non_finite|step 150|the loss is NaN at step 150|value NaN, no limit",
            "▲ warning|spike|step 40|the loss spikes|value 8.25, limit 6",
        ]);
        assert.equal(await page.locator(".run-head button").first().innerText(), "✕ 1 error▲ 1 warning");
        await page.locator(".run-head button").first().click();
        assert.equal(await page.evaluate(() => document.activeElement.className), "alerts");
        assert.deepEqual(await axeViolations(page), []);
    });
});

test("the steps around an alert are shown by its button, and the whole run again by the same", async () => {
    await visit("/runs/r", [warnedRun("r", [SPIKE, NAN])], async (page) => {
        await shows(page, "the loss is NaN");
        await page.getByRole("button", { name: "step 150" }).focus();
        await page.keyboard.press("Enter");
        await page.waitForURL(/range=22-278/);
        await shows(page, "257 points");
        assert.equal(await page.locator(`${ALERTS} [aria-pressed=true]`).innerText(), "step 150");
        assert.equal(await focused(page), "step 150");
        await page.keyboard.press("Enter");
        await page.waitForURL((url) => !/range/.test(url.search));
        await shows(page, "300 points");
        assert.equal(await page.locator(`${ALERTS} [aria-pressed=true]`).count(), 0);
    });
});

test("an alert that is raised appears on top, is told politely and once, and takes no focus", async () => {
    await visit("/runs/r", [warnedRun("r", [SPIKE])], async (page, mock) => {
        await shows(page, "the loss spikes");
        await page.getByRole("button", { name: "step 40" }).focus();
        await quiet(mock);
        const before = fetches(mock);
        const raised = mock.raise("r", NAN);
        await announced(page, "error, non_finite: the loss is NaN at step 150");
        assert.match((await lines(page))[0], /^✕ error/);
        assert.equal(await focused(page), "step 40");
        mock.send("alert", raised, null); // as after a Last-Event-ID
        mock.push("r", 1);
        await shows(page, "301 points");
        assert.equal(await page.locator(ALERTS).count(), 2);
        assert.match(await page.locator(LOSS).getAttribute("aria-label"), /; 2 alerts, the last at step 150$/);
        assert.equal(fetches(mock), before);
    });
});

test("the first alert of a run is told too", async () => {
    await visit("/runs/r", [madeUpRun("r")], async (page, mock) => {
        await shows(page, "None were raised.");
        await quiet(mock);
        mock.raise("r", NAN);
        await announced(page, "error, non_finite: the loss is NaN at step 150");
        assert.equal(await page.getByText("None were raised.").isHidden(), true);
        await page.waitForFunction(() => document.querySelector(".run-head button").textContent === "✕ 1 error");
    });
});

test("alerts of the time without a connection are fetched when there is one again", async () => {
    await visit("/runs/r", [warnedRun("r", [SPIKE])], async (page, mock) => {
        await shows(page, "the loss spikes");
        await mock.stop();
        await shows(page, "Disconnected from trajd");
        mock.raise("r", NAN);
        mock.raise("r", { ...NAN, step: 160, sentence: "again at step 160" });
        await mock.start();
        await announced(page, "2 new alerts, the last: error, non_finite: again at step 160");
        assert.equal(await page.locator(ALERTS).count(), 3);
    });
});

test("while the page is paused alerts are kept, and shown when it goes on", async () => {
    await visit("/runs/r", [warnedRun("r", [SPIKE])], async (page, mock) => {
        await shows(page, "the loss spikes");
        await page.keyboard.press("p");
        await shows(page, "paused");
        mock.raise("r", NAN);
        await page.waitForFunction(() => document.querySelector(".run-head button").textContent.includes("error"));
        assert.equal(await page.locator(ALERTS).count(), 1);
        await page.keyboard.press("p");
        await shows(page, "the loss is NaN");
    });
});

test("an alert that comes while the page fetches is not lost", async () => {
    await visit("/", [warnedRun("r", [SPIKE])], async (page, mock) => {
        const answer = mock.alerts.bind(mock);
        let held = false;
        mock.alerts = (all, query) => {
            const body = answer([...all], query);
            if (!held && mock.requests.at(-1).includes("/runs/r/alerts")) {
                held = true;
                mock.raise("r", NAN);
            }
            return body;
        };
        await page.goto(`${mock.url}/runs/r`);
        await shows(page, "the loss is NaN");
        await page.waitForFunction(() => document.querySelectorAll(".alerts li").length === 2);
    });
});

const MANY = Array.from({ length: 224 }, (_, i) => ({ ...SPIKE, step: i, sentence: `spike at ${i}` }));

test("all alerts that a run can have are fetched at once and shown as many as are asked for", async () => {
    await visit("/runs/r", [warnedRun("r", MANY)], async (page, mock) => {
        await shows(page, "spike at 223");
        assert.equal(await page.locator(ALERTS).count(), 5);
        const more = page.getByRole("button", { name: "Show more" });
        for (const shown of [55, 105, 155, 205, 224]) {
            await more.click();
            assert.equal(await page.locator(ALERTS).count(), shown);
        }
        assert.equal(await more.isHidden(), true);
        assert.match((await lines(page)).at(-1), /spike at 0\|/);
        assert.equal(fetches(mock), 1);
    });
});

test("alerts that are not to be had are said to be, and asked for till they are", async () => {
    await visit("/", [warnedRun("r", [SPIKE])], async (page, mock) => {
        let refuse = true;
        await page.route("**/runs/r/alerts*", (route) => (refuse ? route.abort("connectionrefused") : route.continue()));
        await page.goto(`${mock.url}/runs/r`);
        await shows(page, "The newest alerts are not to be had now");
        assert.equal(await page.getByText("None were raised.").isHidden(), true);
        refuse = false;
        await shows(page, "the loss spikes");
        await page.waitForFunction(() => !document.body.innerText.includes("not to be had"));
    });
});

test("where alerts were raised is marked over the steps, full for an error, and told to who comes by", async () => {
    const runs = [warnedRun("r", [SPIKE]), warnedRun("bad", [{ ...NAN, step: 40 }]), madeUpRun("well", { steps: 300 })];
    await visit("/runs/well", runs, async (page, mock) => {
        await shows(page, "300 points");
        assert.equal(await pixels(page, LOSS, BAD), 0);
        await page.goto(`${mock.url}/runs/r`);
        const hollow = await until("the mark is painted", () => pixels(page, LOSS, BAD));
        await page.goto(`${mock.url}/runs/bad`);
        await until("a full mark is painted", async () => (await pixels(page, LOSS, BAD)) > 1.5 * hollow);
        assert.match(await page.locator(LOSS).getAttribute("aria-label"), /; 1 alert, the last at step 40$/);
        await page.locator(".panels .plot").first().focus();
        await page.keyboard.press("Home");
        for (let i = 0; i < 40; i++) {
            await page.keyboard.press("ArrowRight");
        }
        assert.match(await page.locator(".panels .readout").first().innerText(), /^step 40: loss .* · ✕ error: non_finite$/);
    });
});

test("the list counts each run's alerts, and shows the newest of all runs, as they come", async () => {
    await visit("/", [warnedRun("r", [SPIKE, NAN]), madeUpRun("s")], async (page, mock) => {
        await shows(page, "the loss is NaN");
        assert.equal(await page.getByRole("heading", { name: "Alerts", exact: true }).count(), 1);
        const cells = page.locator("td.col-alerts");
        assert.deepEqual((await cells.allInnerTexts()).sort(), ["", "✕ 1 error\n▲ 1 warning"]);
        await quiet(mock);
        const before = fetches(mock);
        mock.raise("s", { ...SPIKE, step: 7 });
        await announced(page, "warning, spike of s: the loss spikes");
        assert.equal(fetches(mock), before);
        assert.match((await lines(page))[0], /^▲ warning\|spike\|s\|step 7\|the loss spikes\|value 8.25, limit 6\|/);
        await page.waitForFunction(() => [...document.querySelectorAll("td.col-alerts")].some((cell) => cell.innerText === "▲ 1 warning"));
        assert.deepEqual(await axeViolations(page), []);
        await page.getByRole("link", { name: "step 7" }).click();
        await page.waitForURL(/\/runs\/s\?range=0-135/);
        await page.goBack();
        await shows(page, "the loss is NaN");
        await page.locator(".alerts").getByRole("link", { name: "r", exact: true }).first().click();
        await page.waitForURL(/\/runs\/r$/);
    });
});

test("alerts of all runs go on by their cursor, and begin anew after a resync", async () => {
    await visit("/", [warnedRun("r", MANY.slice(0, 120))], async (page, mock) => {
        await shows(page, "spike at 119");
        assert.equal(await page.locator(ALERTS).count(), 3);
        const more = page.locator(".alerts").getByRole("button", { name: "Show more" });
        for (const shown of [53, 103, 120]) {
            await more.click();
            await page.waitForFunction((n) => document.querySelectorAll(".alerts li").length === n, shown);
        }
        assert.equal(await more.isHidden(), true);
        const sentences = (await lines(page)).map((line) => /spike at \d+/.exec(line)[0]);
        assert.deepEqual(sentences, MANY.slice(0, 120).map(({ sentence }) => sentence).reverse());
        await quiet(mock);
        mock.runs.get("r").alerts.length = 1;
        mock.send("resync", {}, null);
        await page.waitForFunction(() => document.querySelectorAll(".alerts li").length === 1, null, SOON);
    });
});

test("where there are runs and no alerts the list says so, and without runs says nothing", async () => {
    await visit("/", [], async (page, mock) => {
        await shows(page, "No runs yet");
        assert.equal(await page.locator(".alerts").isHidden(), true);
        mock.add(madeUpRun("r"));
        await shows(page, "None were raised.");
    });
});

// ---- events that trainers recorded

const EVENTS = ".drawer ol.feed > li";

test("events are listed newest first with level, step and text, when somebody looks, and as they come", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 300 })], async (page, mock) => {
        await shows(page, "300 points");
        const drawer = page.locator(".drawer", { hasText: "Events" });
        assert.equal(await drawer.isHidden(), true);
        mock.say("r", { step: 10, text: "resumed" });
        mock.say("r", { severity: 1, event: 2, value: 31 });
        await page.waitForFunction(() => [...document.querySelectorAll("summary")].some((s) => s.textContent === "Events 2"));
        assert.equal(asked(mock, "messages"), 0);
        await page.getByRole("heading", { name: "Events" }).click();
        await shows(page, "resumed");
        const told = async () => (await lines(page, EVENTS)).map((line) => line.replace(/\|[^|]*$/, ""));
        assert.deepEqual(await told(), ["▲ warning|31 records dropped: the spool was full", "○ info|step 10|resumed"]);
        mock.say("r", { step: 200, severity: 2, text: "the loader\ndied" });
        await shows(page, "died");
        assert.equal((await told())[0], "✕ error|step 200|the loader\ndied");
        await drawer.getByRole("button", { name: "step 10" }).click();
        await page.waitForURL(/range=0-138/);
        assert.equal(await page.locator(`${EVENTS} [aria-pressed=true]`).innerText(), "step 10");
        mock.say("r", { step: 10, text: "of the same step" });
        await shows(page, "of the same step");
        assert.equal(await page.locator(`${EVENTS} [aria-pressed=true]`).count(), 2);
        assert.deepEqual(await axeViolations(page), []);
    });
});

test("what was heard of a run while the page fetches it is not taken back by the answer", async () => {
    const made = madeUpRun("r", { steps: 300 });
    await visit("/runs/r", [made], async (page, mock) => {
        await shows(page, "300 points");
        mock.say("r", { text: "first" });
        const counted = (n) =>
            page.waitForFunction((t) => [...document.querySelectorAll("summary")].some((s) => s.textContent === t), `Events ${n}`, SOON);
        await counted(1);
        const answer = mock.answer.bind(mock);
        const details = () => mock.requests.filter((r) => r === "/api/v1/runs/r").length;
        const before = details();
        mock.answer = async (request, reply) => {
            if (request.url.includes("/scatter")) {
                mock.answer = answer;
                await until("the run is asked for", () => details() > before);
                mock.say("r", { text: "second" });
                await counted(2);
                addStep(made);
            }
            return answer(request, reply);
        };
        mock.send("resync", {}, "r");
        await shows(page, "301 points");
        await counted(2);
    });
});

test("of very many events the newest are fetched, and older ones when they are asked for", async () => {
    const made = madeUpRun("r", { steps: 300, attempts: 2, ranks: 3 });
    for (let i = 0; i < 2500; i++) {
        made.messages.push({ attempt: 2, rank: 1, seq: i + 1, step: i, wall_ns: `${1_790_000_000 + i}000000000`, event: 0, severity: 0, text: `note ${i}` });
    }
    await visit("/runs/r", [made], async (page, mock) => {
        await shows(page, "300 points");
        await page.getByRole("heading", { name: "Events" }).click();
        await shows(page, "note 2499");
        const messages = () => mock.requests.filter((r) => r.includes("/messages"));
        assert.equal(messages().length, 2);
        assert.match(messages()[0], /attempt=all&rank=all&fields=event&limit=1500$/);
        assert.match(messages()[1], /text.*&limit=1000&cursor=1500$/);
        assert.equal(await page.locator(EVENTS).count(), 20);
        assert.match((await lines(page, EVENTS))[0], /^○ info\|step 2,499\|note 2499\|attempt 2, rank 1\|/);
        const more = page.locator(".drawer").getByRole("button", { name: "Show more" });
        for (let shown = 70; shown <= 1020; shown += 50) {
            await more.click();
        }
        await page.waitForFunction(() => document.querySelectorAll(".drawer ol.feed > li").length === 1020);
        assert.match((await lines(page, EVENTS))[1019], /note 1480\|/);
        assert.match(messages()[2], /limit=500$/);
    });
});

for (const [name, options] of [["light", {}], ["dark", { colorScheme: "dark" }], ["narrow", NARROW]]) {
    test(`alerts and events have no barrier, and nothing is beyond the edge: ${name}`, async () => {
        const made = warnedRun("r", [{ ...SPIKE, sentence: "x".repeat(239) }, NAN, { ...SPIKE, step: 2 ** 53 - 1 }]);
        await visit(
            "/runs/r",
            [made],
            async (page, mock) => {
                mock.say("r", { step: 5, text: "y".repeat(5000) });
                await shows(page, "the loss is NaN");
                await page.getByRole("heading", { name: "Events" }).click();
                await shows(page, "and 3,000 characters more");
                const beyond = () => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
                assert.equal(await beyond(), 0);
                assert.deepEqual(await axeViolations(page), []);
                await page.goto(mock.url);
                await shows(page, "the loss is NaN");
                assert.equal(await beyond(), 0);
                assert.deepEqual(await axeViolations(page), []);
            },
            options,
        );
    });
}
