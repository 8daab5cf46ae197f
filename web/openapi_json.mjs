// Writes an OpenAPI document in YAML as JSON: node openapi_json.mjs IN OUT
import { readFile, writeFile } from "node:fs/promises";
import { parse } from "yaml";

const [from, to] = process.argv.slice(2);
const document = parse(await readFile(from, "utf8"), { merge: true });
await writeFile(to, `${JSON.stringify(document)}\n`);
