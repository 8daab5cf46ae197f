// screenshot.mjs: the picture of the README, of a real run:
//   node tests/e2e/screenshot.mjs web/screenshot.png [option of the trainer...]
import { openBrowser, openPage } from "./browser.mjs";
import { Daemon, startLstm } from "./daemon.mjs";

const daemon = new Daemon();
await daemon.start();
await startLstm(daemon, "lstm", ["--steps", "1200", ...process.argv.slice(3)]).done;
const browser = await openBrowser();
const { page } = await openPage(browser, { viewport: { width: 1280, height: 1370 } });
await page.goto(`${daemon.url}/runs/lstm`);
await page.waitForFunction(() => document.querySelectorAll(".fits tbody tr").length === 4);
await page.waitForFunction(() => document.querySelectorAll(".phases tbody tr").length > 0);
await page.waitForFunction(() => /finished/.test(document.querySelector(".run-head").textContent));
await page.screenshot({ path: process.argv[2] });
await browser.close();
await daemon.stop();
