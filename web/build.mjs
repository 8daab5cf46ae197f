// Bundles the page into the folder named on the command line. Names hold a
// hash of the content, so that the server may let browsers keep them for ever;
// index.html is the one name that stays, and says which hashes are current.
import { build } from "esbuild";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { uplotCuts } from "./uplot_cuts.mjs";

const out = process.argv[2];
if (!out) {
    throw new Error("usage: node build.mjs FOLDER");
}
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const { metafile } = await build({
    entryPoints: { main: "src/main.ts", icon: "src/icon.svg" },
    entryNames: "[name]-[hash]",
    loader: { ".svg": "copy" },
    bundle: true,
    plugins: [uplotCuts],
    minify: true,
    metafile: true,
    outdir: out,
    format: "esm",
    target: "es2020",
    legalComments: "none",
    logLevel: "warning",
});

const names = Object.keys(metafile.outputs).map((path) => basename(path));
const named = (ending) => {
    const found = names.filter((name) => name.endsWith(ending));
    if (found.length !== 1) {
        throw new Error(`expected one ${ending}, got ${found.join(" ") || "none"}`);
    }
    return `/${found[0]}`;
};
const page = await readFile("index.html", "utf8");
await writeFile(
    join(out, "index.html"),
    page
        .replace("%SCRIPT%", named(".js"))
        .replace("%STYLE%", named(".css"))
        .replace("%ICON%", named(".svg")),
);
