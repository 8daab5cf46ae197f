// browser.test.mjs: the whole path: a trainer, a real trajd, a real browser.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { axeViolations, openBrowser, openPage, violations } from "./browser.mjs";
import { Daemon, Trainer, startLstm } from "./daemon.mjs";
import { until } from "./wait.mjs";

let browser;
let daemon;
let trainer;

before(async () => {
    daemon = new Daemon();
    await daemon.start();
    browser = await openBrowser();
});
after(async () => {
    await browser?.close();
    await trainer?.stop();
    await daemon?.stop();
});

const shows = (page, text) =>
    page.waitForFunction((t) => document.body.innerText.includes(t), text, { timeout: 20_000 });
const points = async (page) =>
    Number(
        /^([\d,]+) points/
            .exec(await page.locator(".scatter .caption").innerText())?.[1]
            .replaceAll(",", "") ?? 0,
    );

async function clean({ page, context, wrong }) {
    assert.deepEqual(await violations(page), []);
    assert.deepEqual(wrong, []);
    await context.close();
}

test("a run is watched from nothing to its end, through the death of the daemon", async () => {
    const visit = await openPage(browser);
    const { page } = visit;

    // Nothing yet: how to begin, and where this daemon listens.
    await page.goto(daemon.url);
    await shows(page, "No runs yet");
    await shows(page, daemon.ingest);
    assert.deepEqual(await axeViolations(page), []);

    // A run appears by itself, and opens.
    trainer = new Trainer(daemon, "e2e.cosh");
    await trainer.tell("20");
    await shows(page, "descent e2e.cosh");
    await shows(page, "● live");
    assert.deepEqual(await axeViolations(page), []);
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await shows(page, "20 points");
    await shows(page, "oo few probes: 20 pairs of 20, 30 are needed");

    // Points arrive without a reload.
    await page.evaluate(() => (window.sameDocument = true));
    let before = await points(page);
    for (let i = 0; i < 5; i++) {
        await trainer.tell("30");
        const now = await until("more points", async () =>
            (await points(page)) > before ? points(page) : null,
        );
        assert.ok(now > before);
        before = now;
    }
    await shows(page, "170 points");
    await shows(page, "all 170 rows drawn");
    await page.waitForFunction(() => document.querySelectorAll(".fits tbody tr").length === 4);
    assert.equal(await page.evaluate(() => window.sameDocument), true);

    // A point is picked, and the curves at the same step told.
    await page.locator(".scatter .plot").focus();
    await page.keyboard.press("Home");
    assert.match(
        await page.locator(".scatter .readout").innerText(),
        /^step 0 · gradient norm [\d.e+,]+ · smoothness [\d.e+,]+ · ceiling/,
    );
    assert.match(await page.locator(".panels .readout").first().innerText(), /^step 0: loss/);
    assert.deepEqual(await axeViolations(page), []);

    // The daemon dies: the data stay, with their age. It comes back: so do rows.
    await daemon.kill();
    await shows(page, "Disconnected from trajd. The data are");
    assert.equal(await points(page), 170);
    assert.deepEqual(await axeViolations(page), []);
    await daemon.start();
    await trainer.tell("30");
    await shows(page, "200 points");
    await page.waitForFunction(() => document.querySelector(".banner").hidden);
    await trainer.tell("10");
    await shows(page, "210 points");

    // A long burst, which is fetched and not told row by row.
    await trainer.tell("2500");
    await shows(page, "2,710 points");
    await shows(page, "buckets of 2,710 rows, extremes kept");

    await trainer.tell("finish 0");
    await page.waitForFunction(() =>
        document.querySelector(".run-head .badge").textContent.includes("finished"),
    );
    await shows(page, "✓ complete");
    await clean(visit);
});

test("what a trainer says and what trajd raises is on the page as it comes, and in the list", async () => {
    const visit = await openPage(browser);
    const { page } = visit;
    const noisy = new Trainer(daemon, "e2e.nan");
    await noisy.tell("20");
    await page.goto(`${daemon.url}/runs/e2e.nan`);
    await shows(page, "None were raised.");
    await noisy.tell("nan");
    await shows(page, "the loss is NaN at step 20");
    await page.waitForFunction(() => /^error, non_finite: /.test(document.querySelector("[role=status]").textContent));
    await page.waitForFunction(() => document.querySelector(".run-head button").textContent === "✕ 1 error");
    await noisy.tell("say 1 the loader is slow");
    await page.getByRole("heading", { name: "Events" }).click();
    await shows(page, "the loader is slow");
    await noisy.tell("say 2 the loader has died");
    await shows(page, "the loader has died");
    assert.match(await page.locator(".drawer ol.feed li").first().innerText(), /^✕ error/);
    assert.deepEqual(await axeViolations(page), []);
    await page.getByRole("link", { name: "← Runs" }).click();
    await page.waitForFunction(() => /non_finite.*e2e\.nan.*step 20/s.test(document.querySelector(".alerts").innerText));
    const cell = page.locator("tr", { hasText: "e2e.nan" }).locator(".col-alerts");
    assert.equal(await cell.innerText(), "✕ 1 error");
    await noisy.tell("finish 0");
    await noisy.stop();
    await clean(visit);
});

test("all of a part of the run is drawn when it is looked at closely", async () => {
    const visit = await openPage(browser);
    await visit.page.goto(`${daemon.url}/runs/e2e.cosh?range=100-299&x=start`);
    await shows(visit.page, "all 200 rows drawn");
    await shows(visit.page, "200 points");
    await clean(visit);
});

test("the page's numbers are the daemon's", async () => {
    const visit = await openPage(browser);
    await visit.page.goto(`${daemon.url}/runs/e2e.cosh`);
    await visit.page.waitForFunction(
        () => document.querySelectorAll(".fits tbody tr").length === 4,
    );
    await visit.page.locator(".phases > tbody > tr").first().waitFor();
    const fits = (await (await fetch(`${daemon.url}/api/v1/runs/e2e.cosh/fits`)).json()).data;
    const median = fits.fits.find((fit) => fit.method === "quantile" && fit.tau === 0.5);
    const cells = await visit.page.locator(".fits tbody tr").nth(1).locator("td").allInnerTexts();
    assert.equal(Number(cells[2]), Number(median.L1.toPrecision(3)));
    const { data } = await (await fetch(`${daemon.url}/api/v1/runs/e2e.cosh/verdict`)).json();
    assert.equal(await visit.page.locator(".verdict > .sentence").textContent(), data.sentence);
    assert.equal(await visit.page.locator(".phases > tbody > tr:not(.phase-more)").count(), data.phases.length);
    const link = await visit.page.locator(".exports a").first().getAttribute("href");
    const rows = (await (await fetch(daemon.url + link)).text()).trimEnd().split("\n");
    assert.equal(rows.length, 1 + 2710);
    await clean(visit);
});

test("the points of a language model in training arrive one after the other, all of them", async () => {
    const visit = await openPage(browser);
    const { page } = visit;
    await page.goto(daemon.url);
    const options = [
        "--steps",
        "300",
        "--hidden",
        "32",
        "--probe-every",
        "1",
        "--lr",
        "20",
        "--clip",
        "0.25",
    ];
    const lstm = startLstm(daemon, "e2e.lstm", options);
    await shows(page, "e2e.lstm");
    await page.goto(`${daemon.url}/runs/e2e.lstm`);
    let seen = await until("the first points", () => points(page).catch(() => 0));
    for (let i = 0; i < 3 && seen < 300; i++) {
        seen = await until("more points", async () => {
            const now = await points(page);
            return now > seen ? now : null;
        });
    }
    assert.equal(await lstm.done, 0);
    await shows(page, "300 points");
    await shows(page, "✓ complete");
    await page.waitForFunction(() => document.querySelectorAll(".fits tbody tr").length === 4);
    await clean(visit);
});

for (const [name, options] of [
    ["light", { colorScheme: "light" }],
    ["dark", { colorScheme: "dark" }],
    ["narrow", { viewport: { width: 390, height: 844 } }],
]) {
    test(`a real run has no barrier: ${name}`, async () => {
        const visit = await openPage(browser, options);
        for (const [path, text] of [
            ["/", "descent e2e.cosh"],
            ["/runs/e2e.cosh", "2,710 points"],
            ["/runs/none", "No such run"],
        ]) {
            await visit.page.goto(daemon.url + path);
            await shows(visit.page, text);
            assert.deepEqual(await axeViolations(visit.page), [], path);
            assert.equal(
                await visit.page.evaluate(
                    () => document.documentElement.scrollWidth - window.innerWidth,
                ),
                0,
                path,
            );
        }
        await clean(visit);
    });
}
