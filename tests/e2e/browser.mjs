// browser.mjs: Debian's chromium, and what every page of ours must never do.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(join(root, "web/package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

function executable() {
    if (process.env.CHROMIUM) {
        return process.env.CHROMIUM;
    }
    const folders = (process.env.PATH ?? "").split(delimiter);
    const found = folders
        .flatMap((f) => ["chromium", "chromium-browser", "google-chrome"].map((n) => join(f, n)))
        .find(existsSync);
    if (found === undefined) {
        throw new Error("no chromium in PATH; set CHROMIUM");
    }
    return found;
}

export async function openBrowser() {
    return chromium.launch({
        executablePath: executable(),
        args: [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ],
    });
}

/**
 * A page, and the list of what went wrong in it: exceptions, errors on the
 * console, violations of the content security policy. A refused connection is
 * the browser's own line, and what the tests of a dead daemon provoke.
 */
export async function openPage(browser, options = {}) {
    const context = await browser.newContext({
        viewport: { width: 1280, height: 900 },
        ...options,
    });
    const page = await context.newPage();
    const wrong = [];
    page.on("pageerror", (error) => wrong.push(`exception: ${error.stack ?? error}`));
    page.on("console", (message) => {
        if (
            message.type() === "error" &&
            !/ERR_(CONNECTION|EMPTY_RESPONSE|INCOMPLETE)|status of 404/.test(message.text())
        ) {
            wrong.push(`console: ${message.text()}`);
        }
    });
    await context.addInitScript(() => {
        window.violations = [];
        document.addEventListener("securitypolicyviolation", (event) => {
            window.violations.push(
                `${event.violatedDirective} ${event.blockedURI} ${event.sample}`,
            );
        });
    });
    return { page, context, wrong };
}

/** Violations of the content security policy since the page was loaded. */
export async function violations(page) {
    return page.evaluate(() => window.violations);
}

/** What axe finds, one line each. Through the debugger, past the page's policy. */
export async function axeViolations(page) {
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document));
    return found.violations.map(
        (v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).join(", ")}`,
    );
}
