// The page's types of the API, from the API's document.
//     node api_types.mjs writes them to src/api/schema.d.ts
// test/types.test.mjs fails where that file is not what this would write.
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import openapi, { astToString } from "openapi-typescript";
import { parse } from "yaml";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
export const typesFile = here("src/api/schema.d.ts");

/** The schemas only: the page has no use for the types of the paths. */
export async function apiTypes() {
    const document = parse(await readFile(here("../schema/openapi.yaml"), "utf8"));
    const { schemas } = document.components;
    const types = await openapi(
        { openapi: document.openapi, info: document.info, paths: {}, components: { schemas } },
        { arrayLength: true, emptyObjectsUnknown: true },
    );
    return `/** schema: from schema/openapi.yaml by api_types.mjs; not to be edited. */\n\n${astToString(types)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    await writeFile(typesFile, await apiTypes());
}
