import { build } from "esbuild";
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "node:test";
import { uplotCuts } from "../uplot_cuts.mjs";

/** Of a page that has nothing but charts. */
async function bytes(plugins) {
    const { outputFiles } = await build({
        stdin: { contents: 'import uPlot from "uplot"; new uPlot();', resolveDir: fileURLToPath(new URL("..", import.meta.url)) },
        bundle: true,
        minify: true,
        write: false,
        plugins,
    });
    return outputFiles[0].contents.length;
}

test("what the page does not use of uPlot is not in its script", async () => {
    const [whole, cut] = [await bytes([]), await bytes([uplotCuts])];
    assert.ok(whole - cut > 8000, `${whole} and ${cut}`);
});

/** What the plugin makes of a file. */
async function loaded(path) {
    let load;
    uplotCuts.setup({ onLoad: (_options, then) => (load = then) });
    return (await load({ path })).contents;
}

test("a version of uPlot that is not the one that was cut is refused", async () => {
    const folder = await mkdtemp(join(tmpdir(), "trajd-cuts-"));
    try {
        const path = join(folder, "uPlot.esm.js");
        await writeFile(path, "uPlot.join = join;\n");
        await assert.rejects(loaded(path), /not in this version of uPlot: const \[ timeIncrsMs/);
    } finally {
        await rm(folder, { recursive: true });
    }
});
