// layers.test.mjs: what may be said of single layers, before a stand-in for the daemon.
import assert from "node:assert/strict";
import { test } from "node:test";
import { axeViolations } from "./browser.mjs";
import { madeUpRun } from "./mock.mjs";
import { NARROW, shows, visit } from "./stand.mjs";
import { until } from "./wait.mjs";

/** Its layers 1 and 2 are embed and rnn.0. */
function layeredRun(options = {}) {
    const made = madeUpRun("r", { steps: 200, layers: 3, ...options });
    made.cuts = [{ step: 120, cause: "lr_drop" }];
    made.layerKinds = ["flat", "grows_unconfirmed", "near_ceiling"];
    return made;
}
const open = (page) => page.getByRole("heading", { name: "Layers" }).click();
const judged = (mock) => mock.requests.filter((r) => /\/verdict\?.*group=/.test(r));
const card = (page) => page.locator(".layer-card");

test("the layer that is chosen has its verdict, phase by phase, and no advice", async () => {
    await visit("/runs/r", [layeredRun()], async (page) => {
        await shows(page, "200 points");
        await open(page);
        await page.getByRole("button", { name: "rnn.0" }).focus();
        await page.keyboard.press("Enter");
        await page.waitForURL(/layer=rnn.0/);
        await card(page).getByText("Verdict on rnn.0").waitFor();
        await card(page).getByText("only the operator norm could confirm it").first().waitFor();
        assert.equal(await card(page).locator(".phases > tbody > tr:not(.phase-more)").count(), 2);
        assert.match(await card(page).innerText(), /No advice while one layer is looked at: it does not bound the step of all of them\. Its law gives .* = 1.20, in its own norm, at ‖g‖ = 6.00\./);
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "rnn.0");
        assert.equal(await page.locator(".layers th [aria-pressed=true]").innerText(), "rnn.0");
        assert.deepEqual(await axeViolations(page), []);
        await page.keyboard.press("Enter");
        await page.waitForURL((url) => !/layer/.test(url.search));
        assert.equal(await card(page).isHidden(), true);
    });
});

test("another layer's verdict is never shown as this one's", async () => {
    await visit("/runs/r", [layeredRun()], async (page) => {
        await shows(page, "200 points");
        await open(page);
        await page.getByRole("button", { name: "rnn.0" }).click();
        await card(page).getByText("only the operator norm could confirm it").first().waitFor();
        await page.route("**/verdict?group=1*", () => undefined); // it never answers
        await page.getByRole("button", { name: "embed" }).click();
        await card(page).getByText("Verdict on embed").waitFor();
        assert.equal(await card(page).locator(".sentence").innerText(), "…");
        assert.equal(await card(page).locator("tbody tr").count(), 0);
    });
});

test("the verdict on a layer is of the steps that are shown, and its phases choose them", async () => {
    await visit("/runs/r?layer=rnn.0&range=50-149&x=start", [layeredRun()], async (page, mock) => {
        await card(page).getByText("Of steps 120 to 149").waitFor();
        assert.ok(judged(mock).some((r) => r.endsWith("/verdict?regressor=start&from=50&to=149&group=2")));
        let answer;
        const held = new Promise((done) => (answer = done));
        await page.route("**/verdict?*from=120*", (route) => held.then(() => route.continue()));
        await card(page).getByRole("button", { name: "120 to 149", exact: true }).click();
        await page.waitForURL(/range=120-149/);
        const pressed = card(page).locator(".phases [aria-pressed=true]");
        assert.equal(await pressed.innerText(), "120 to 149");
        assert.equal(await card(page).locator(".verdict").getAttribute("aria-busy"), "true");
        answer();
        await shows(page, "30 points");
        await until("the verdict of the range", () => judged(mock).some((r) => r.includes("from=120&to=149&group=2")));
        await page.waitForFunction(() => document.querySelector(".layer-card .verdict").getAttribute("aria-busy") === "false");
        assert.equal(await pressed.innerText(), "120 to 149");
    });
});

test("an address that names a layer opens it, and one that there is not is passed over", async () => {
    await visit("/runs/r?layer=rnn.1", [layeredRun()], async (page, mock) => {
        await card(page).getByText("▲ near the ceiling").first().waitFor();
        await page.goto(`${mock.url}/runs/r?layer=gone`);
        await page.getByRole("button", { name: "embed" }).waitFor();
        assert.equal(await card(page).isHidden(), true);
    });
});

test("the table has the kind of verdict of the layers that were probed", async () => {
    await visit("/runs/r", [layeredRun()], async (page, mock) => {
        await shows(page, "200 points");
        assert.equal(judged(mock).length, 0);
        await open(page);
        await page.getByRole("button", { name: "embed" }).scrollIntoViewIfNeeded();
        await page.waitForFunction(() => document.querySelectorAll(".layers td .badge").length === 1);
        const kinds = await page.locator(".layers > .tall tbody tr td:last-child").allInnerTexts();
        assert.deepEqual(kinds, ["–", "↗ grows, unconfirmed", "–"]);
        assert.deepEqual(judged(mock).map((r) => r.split("?")[1]), ["group=2"]);
    });
});

test("of hundreds of layers those are judged that are looked at, one at a time", async () => {
    await visit("/runs/r", [layeredRun({ layers: 400, ranks: 2 })], async (page, mock) => {
        let most = 0;
        let now = 0;
        await page.route("**/verdict?group=*", async (route) => {
            most = Math.max(most, ++now);
            await route.continue();
            now--;
        });
        await shows(page, "200 points");
        await open(page);
        await page.getByRole("button", { name: "embed" }).scrollIntoViewIfNeeded();
        await page.waitForFunction(() => document.querySelectorAll(".layers td .badge").length >= 5);
        await until("the asking ends", async () => {
            const before = judged(mock).length;
            await page.waitForTimeout(400);
            return judged(mock).length === before;
        });
        const asked = judged(mock).length;
        assert.ok(asked < 60, `${asked} requests`);
        assert.equal(most, 1);
        await page.getByRole("button", { name: "layer 400" }).scrollIntoViewIfNeeded();
        await until("those at the end", () => judged(mock).some((r) => r.endsWith("group=400")));
        assert.ok(!judged(mock).some((r) => r.endsWith("group=200")));
    });
});

test("layers that are scrolled past while another is judged are not asked for", async () => {
    await visit("/runs/r", [layeredRun({ layers: 400, ranks: 2 })], async (page, mock) => {
        let answer;
        const held = new Promise((done) => (answer = done));
        let waiting = 0;
        await page.route("**/verdict?group=*", (route) => {
            waiting++;
            return held.then(() => route.continue());
        });
        await shows(page, "200 points");
        await open(page);
        await page.getByRole("button", { name: "embed" }).scrollIntoViewIfNeeded();
        await until("the first is asked for", () => waiting > 0);
        await page.getByRole("button", { name: "layer 400" }).scrollIntoViewIfNeeded();
        await page.waitForTimeout(100); // for the browser to see which rows are to be seen
        answer();
        await until("those at the end", () => judged(mock).some((r) => r.endsWith("group=400")));
        const first = judged(mock).filter((r) => Number(r.split("group=")[1]) < 100);
        assert.deepEqual(first.map((r) => r.split("?")[1]), ["group=1"]);
    });
});

test("the table stays as it is read while its figures change", async () => {
    await visit("/runs/r", [layeredRun()], async (page, mock) => {
        await page.clock.install();
        await page.reload();
        await page.clock.runFor(3000);
        await shows(page, "200 points");
        await open(page);
        await page.clock.runFor(2000);
        await page.getByRole("button", { name: "rnn.1" }).focus();
        const row = page.locator(".layers > .tall tbody tr").first();
        const before = await row.innerText();
        mock.push("r", 40);
        mock.add(mock.runs.get("r"));
        await until("the table has been asked for again", async () => {
            await page.clock.runFor(1000);
            return (await row.innerText()) !== before;
        });
        assert.match(await row.innerText(), /\t224\t/);
        assert.equal(await page.evaluate(() => document.activeElement.textContent), "rnn.1");
    });
});

for (const [name, options] of [["dark", { colorScheme: "dark" }], ["narrow", NARROW]]) {
    test(`layers have no barrier, and nothing is beyond the edge: ${name}`, async () => {
        const act = async (page) => {
            await card(page).getByText("↗ grows").first().waitFor();
            await card(page).getByRole("button", { name: /^Why/ }).first().click();
            assert.deepEqual(await axeViolations(page), []);
            assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), 0);
            const width = await page.getByRole("button", { name: "embed" }).evaluate((button) => button.offsetWidth);
            assert.ok(width > 50, `${width}`);
        };
        await visit("/runs/r?layer=rnn.0", [layeredRun({ layers: 5 })], act, options);
    });
}
