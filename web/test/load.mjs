// load.mjs: a module of the page as a module of node, bundled in memory.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

export async function load(path) {
    const { outputFiles } = await build({
        entryPoints: [fileURLToPath(new URL(`../src/${path}`, import.meta.url))],
        bundle: true,
        format: "esm",
        write: false,
        logLevel: "warning",
    });
    return import(
        `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`
    );
}
