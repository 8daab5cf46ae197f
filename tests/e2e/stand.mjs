// stand.mjs: pages before a stand-in for the daemon, and what tests look at in them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { openBrowser, openPage, violations } from "./browser.mjs";
import { Mock } from "./mock.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const folder = join(root, "build/web");
export const NARROW = { viewport: { width: 390, height: 844 } };
let browser;

before(async () => {
    if (!existsSync(join(folder, "index.html"))) {
        execFileSync("node", ["build.mjs", folder], { cwd: join(root, "web") });
    }
    browser = await openBrowser();
});
after(() => browser?.close());

/** A stand-in with these runs, and a page at this path; whatever happens, nothing may be wrong in the page. */
export async function visit(path, runs, act, options = {}) {
    const mock = new Mock(folder);
    await mock.start();
    runs.forEach((made) => mock.add(made));
    const { page, context, wrong } = await openPage(browser, options);
    try {
        await page.goto(mock.url + path);
        await act(page, mock, context);
        assert.deepEqual(await violations(page), []);
        assert.deepEqual(wrong, []);
    } finally {
        await context.close();
        await mock.stop();
    }
}

export const shows = (page, text) =>
    page.waitForFunction((t) => document.body.innerText.includes(t), text, { timeout: 15_000 });
export const caption = (page) => page.locator(".scatter .caption").innerText();
export const points = async (page) =>
    Number(/^([\d,]+) points/.exec(await caption(page))?.[1].replaceAll(",", "") ?? 0);

/** How many pixels of a canvas are of exactly this colour. */
export const pixels = (page, canvas, [r, g, b]) =>
    page.locator(canvas).evaluate(
        (element, [red, green, blue]) => {
            const { width, height } = element;
            const { data } = element.getContext("2d").getImageData(0, 0, width, height);
            let n = 0;
            for (let i = 0; i < data.length; i += 4) {
                n += data[i] === red && data[i + 1] === green && data[i + 2] === blue ? 1 : 0;
            }
            return n;
        },
        [r, g, b],
    );
export const SCATTER = ".scatter canvas[role=img]";

export const asked = (mock, part) => mock.requests.filter((r) => r.includes(`/runs/r/${part}`)).length;
