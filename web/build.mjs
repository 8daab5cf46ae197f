// Bundles the page into the folder named on the command line.
import { build } from "esbuild";
import { cp, mkdir, rm } from "node:fs/promises";

const out = process.argv[2];
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
await build({ entryPoints: ["src/main.ts"], bundle: true, minify: true, outdir: out, target: "es2020", logLevel: "warning" });
await cp("index.html", `${out}/index.html`);
