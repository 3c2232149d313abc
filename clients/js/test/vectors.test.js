/** The same vectors as the Python client's tests: byte for byte the same in both languages. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { normalize, parseRef, place, promptId, systemPrompt } from "../index.js";

const vectors = JSON.parse(readFileSync(new URL("../../vectors.json", import.meta.url), "utf8"));

test("a text has the id and the system prompt that Python makes of its bytes", () => {
  assert.ok(vectors.texts.length > 20);
  for (const { name, version, bytes, text, prompt_id, system_prompt } of vectors.texts) {
    const raw = Buffer.from(bytes, "hex");
    if (text === null) {
      assert.throws(() => normalize(raw), bytes);
      continue;
    }
    assert.equal(normalize(raw), text);
    const id = promptId({ name, version, text });
    assert.equal(id, prompt_id);
    assert.equal(systemPrompt({ promptId: id, text }), system_prompt);
  }
});

test("a ref is a version for both clients, or for none", () => {
  for (const { ref, parts } of vectors.refs) {
    if (parts === null) assert.throws(() => parseRef(ref), { name: "Refusal" }, JSON.stringify(ref));
    else assert.deepEqual(Object.values(parseRef(ref)), parts);
  }
});

test("a key has the same place in a canary", () => {
  for (const { canary, key, place: expected } of vectors.places) {
    assert.equal(place(canary, key), expected, `${canary} ${JSON.stringify(key)}`);
  }
});
