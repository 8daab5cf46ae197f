// verdict.test.mjs: what the page says of a run, its phases and the advice, before a stand-in for the daemon.
import assert from "node:assert/strict";
import { test } from "node:test";
import { axeViolations } from "./browser.mjs";
import { fitsOf, madeUpRun } from "./mock.mjs";
import { verdictOf } from "./mock_verdict.mjs";
import { SCATTER, asked, pixels, shows, visit } from "./stand.mjs";
import { until } from "./wait.mjs";

/** A run of two phases, the second of which is spoken of. */
function cutRun(options = {}) {
    const made = madeUpRun("r", { steps: 200, ...options });
    made.cuts = [{ step: 120, cause: "lr_drop" }];
    return made;
}
const phases = (page) => page.locator(".phases > tbody > tr:not(.phase-more)");

test("the verdict is a sentence, a sign and a word, and a row for each phase", async () => {
    await visit("/runs/r", [cutRun()], async (page) => {
        await shows(page, "only the operator norm could confirm it");
        const live = page.locator(".card-head [aria-live=polite]");
        assert.equal(await live.innerText(), "↗ grows, unconfirmed");
        const rows = (await phases(page).allInnerTexts()).map((row) => row.split(/\s*[\t\n]+\s*/).join("|"));
        assert.match(rows[0], /^1\. ?\|?0 to 119\|? ?start\|120\|8\.00 \(6\.40 to 9\.60\)\|↗ grows, unconfirmed/);
        assert.match(rows[1], /120 to the end.*learning rate fell.*◆ spoken of above\|80\|/);
        assert.equal(await phases(page).nth(1).getAttribute("aria-current"), "true");
        await shows(page, "Of all 2 phases together");
        assert.deepEqual(await axeViolations(page), []);
    });
});

test("a phase is opened to its reasons by keyboard, and stays open when it is judged again", async () => {
    await visit("/runs/r", [cutRun()], async (page, mock) => {
        await shows(page, "↗ grows");
        await page.getByRole("button", { name: "Why, steps 120 to the end" }).focus();
        await page.keyboard.press("Enter");
        await shows(page, "p of L1 > 0");
        await shows(page, "below 0.05");
        await shows(page, "80 are worth 40.0 independent ones");
        assert.deepEqual(await axeViolations(page), []);
        mock.runs.get("r").kind = "inconclusive";
        mock.send("verdict", { run: "r", verdict: "inconclusive", sentence: "inconclusive" }, "r");
        await shows(page, "? inconclusive");
        assert.equal(await page.locator(".phase-more:visible").count(), 1);
        const focused = await page.evaluate(() => document.activeElement.getAttribute("aria-label"));
        assert.equal(focused, "Why, steps 120 to the end");
    });
});

test("a phase is selected as by a drag, and let go by the same button", async () => {
    await visit("/runs/r", [cutRun()], async (page, mock) => {
        await shows(page, "↗ grows");
        await page.getByRole("button", { name: "0 to 119", exact: true }).focus();
        await page.keyboard.press("Enter");
        await page.waitForURL(/range=0-119/);
        await shows(page, "120 points");
        await until("the verdict of the range", () => mock.requests.some((r) => r.includes("/verdict?from=0&to=119")), 3000);
        await page.waitForFunction(() => document.querySelectorAll(".phases > tbody > tr").length === 2);
        const pressed = page.locator(".phases button[aria-pressed=true]");
        assert.equal(await pressed.innerText(), "0 to 119");
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "0 to 119");
        await page.keyboard.press("Enter");
        await page.waitForURL((url) => !/range/.test(url.search));
        await page.waitForFunction(() => document.querySelectorAll(".phases > tbody > tr").length === 4);
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "0 to 119");
        await page.getByRole("button", { name: "120 to the end", exact: true }).click();
        await page.waitForURL(/range=120-199/);
        await page.keyboard.press("0");
        await page.waitForFunction(() => document.querySelectorAll(".phases > tbody > tr").length === 4);
    });
});

test("advice is given with its caveat, without it where the operator norm agrees, or refused", async () => {
    const confirmed = madeUpRun("confirmed", { lr: 0.1 });
    confirmed.kind = "grows";
    const artefact = madeUpRun("artefact");
    artefact.kind = "direction_artefact";
    const runs = [madeUpRun("r"), confirmed, artefact, madeUpRun("few", { steps: 5 })];
    await visit("/runs/r", runs, async (page, mock) => {
        const advice = page.locator(".advice");
        await shows(page, "△ Unconfirmed: no operator norm tells");
        assert.match(await advice.innerText(), /knee L0\/L1\s+0\.0625; 90\.0 % of the pairs/);
        assert.match(await advice.innerText(), /▲ over it: your lr is 4\.00 times/);
        assert.match(await advice.innerText(), /any loss \(1905\.11881\)\s+0\.200\s+0\.0625/);
        assert.deepEqual(await axeViolations(page), []);
        await page.goto(`${mock.url}/runs/confirmed`);
        await shows(page, "your lr is 0.400 times the limit");
        assert.doesNotMatch(await advice.innerText(), /nconfirmed/);
        assert.equal(await page.locator(".gauge rect").nth(1).getAttribute("width"), "40");
        await page.goto(`${mock.url}/runs/artefact`);
        await shows(page, "No advice while the operator norm does not follow the gradient norm.");
        assert.equal(await page.locator(".advice table").count(), 0);
        await page.goto(`${mock.url}/runs/few`);
        await shows(page, "No advice while there are too few pairs.");
    });
});

test("where phases begin is marked over the steps, and told to who comes by", async () => {
    const runs = [cutRun(), madeUpRun("whole", { steps: 200 })];
    const DIM = [0x55, 0x60, 0x6e];
    const LOSS = ".panels .chart:nth-child(1) canvas[role=img]";
    await visit("/runs/whole", runs, async (page, mock) => {
        await shows(page, "↗ grows");
        const before = await pixels(page, LOSS, DIM);
        await page.goto(`${mock.url}/runs/r`);
        await until("the line is painted", async () => (await pixels(page, LOSS, DIM)) > before + 40);
        assert.match(await page.locator(LOSS).getAttribute("aria-label"), /from step 120 on phase 2: learning rate fell$/);
        await page.locator(".panels .plot").first().focus();
        await page.keyboard.press("Home");
        const readout = page.locator(".panels .readout").first();
        assert.doesNotMatch(await readout.innerText(), /phase/);
        for (let i = 0; i < 120; i++) {
            await page.keyboard.press("ArrowRight");
        }
        assert.match(await readout.innerText(), /^step 120: loss .* · ▸ phase 2: learning rate fell$/);
    });
});

test("the interval of the line is drawn where there is one line", async () => {
    const BAND = [195, 24, 92]; // --c-relative, as a quarter of it comes out of the canvas
    await visit("/runs/whole", [cutRun(), madeUpRun("whole", { steps: 200 })], async (page, mock) => {
        await shows(page, "▒ 95 % interval of the line");
        await until("the band is painted", async () => (await pixels(page, SCATTER, BAND)) > 100);
        await page.goto(`${mock.url}/runs/r`);
        await shows(page, "◆ spoken of above");
        assert.equal(await pixels(page, SCATTER, BAND), 0);
        assert.doesNotMatch(await page.locator(".scatter").innerText(), /interval/);
    });
});

const judged = (mock) => asked(mock, "verdict");

test("the verdict is asked for again when another is told, and not for the same one", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "↗ grows, unconfirmed");
        const before = judged(mock);
        const { verdict, sentence } = verdictOf(mock.runs.get("r"));
        mock.send("verdict", { run: "r", verdict, sentence }, "r");
        await page.waitForTimeout(1300); // it asks at most once a second
        assert.equal(judged(mock), before);
        mock.runs.get("r").kind = "grows";
        mock.send("verdict", { run: "r", ...verdictOf(mock.runs.get("r")) }, "r");
        await shows(page, "operator norm agrees");
        assert.equal(judged(mock), before + 1);
    });
});

test("new fits are judged again together, after a while", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "↗ grows, unconfirmed");
        const before = judged(mock);
        mock.runs.get("r").kind = "grows";
        const from = Date.now();
        for (let i = 0; i < 5; i++) {
            mock.push("r", 5);
            mock.send("fit", { run: "r", ...fitsOf(mock.runs.get("r")) }, "r");
        }
        await shows(page, "125 points");
        assert.equal(judged(mock), before);
        await shows(page, "operator norm agrees");
        assert.ok(Date.now() - from > 4500);
        assert.equal(judged(mock), before + 1);
    });
});

test("nothing is judged for a tab that nobody looks at, or that is paused, till somebody does", async () => {
    await visit("/runs/r", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        await shows(page, "↗ grows, unconfirmed");
        const look = (state) =>
            page.evaluate((value) => {
                Object.defineProperty(document, "visibilityState", { value, configurable: true });
                document.dispatchEvent(new Event("visibilitychange"));
            }, state);
        const before = judged(mock);
        const tell = async (kind) => {
            mock.runs.get("r").kind = kind;
            mock.send("verdict", { run: "r", ...verdictOf(mock.runs.get("r")) }, "r");
            await page.waitForTimeout(1300); // it asks at most once a second
        };
        await look("hidden");
        await tell("grows");
        assert.equal(judged(mock), before);
        await look("visible");
        await shows(page, "operator norm agrees");
        await page.keyboard.press("p");
        await tell("inconclusive");
        assert.equal(judged(mock), before + 1);
        await page.keyboard.press("p");
        await shows(page, "? inconclusive");
    });
});

test("a verdict that is not to be had is said, and asked for till it is", async () => {
    await visit("/", [madeUpRun("r", { steps: 100 })], async (page, mock) => {
        let refuse = true;
        await page.route("**/verdict*", (route) => (refuse ? route.abort("connectionrefused") : route.continue()));
        await page.goto(`${mock.url}/runs/r`);
        await shows(page, "▲ trajd cannot be reached. Trying again");
        await shows(page, "100 points");
        assert.deepEqual(await axeViolations(page), []);
        refuse = false;
        await shows(page, "↗ grows, unconfirmed");
        refuse = true;
        mock.send("resync", {}, "r");
        await shows(page, "trajd cannot be reached. This is of before. Trying again");
        await shows(page, "↗ grows, unconfirmed");
        await shows(page, "interval of the line");
        await page.locator(".scatter select").selectOption("start");
        await page.waitForFunction(() => !document.body.innerText.includes("interval of the line"));
        assert.equal(await page.locator(".verdict").getAttribute("aria-busy"), "true");
    });
});

test("the verdict of a selected part, by the chosen regressor", async () => {
    await visit("/runs/r?range=50-149&x=start", [cutRun()], async (page, mock) => {
        await shows(page, "100 points");
        await until("it is asked for", () => mock.requests.some((r) => r.endsWith("/verdict?regressor=start&from=50&to=149")));
        await page.waitForFunction(() => document.querySelectorAll(".phases > tbody > tr").length === 4);
        await shows(page, "Of steps 120 to 149; no property of the network.");
    });
});
