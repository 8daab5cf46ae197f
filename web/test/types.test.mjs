// The page's types are those of the API's document as it is now.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { apiTypes, typesFile } from "../api_types.mjs";

test("src/api/schema.d.ts is what api_types.mjs makes of schema/openapi.yaml", async () => {
    assert.equal(await readFile(typesFile, "utf8"), await apiTypes(), "run: node web/api_types.mjs");
});
