/** The production client: who gets which version, what happens when the config changes, the log. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { loadPrompt, open } from "../index.js";
import { RunLog } from "../src/run-log.js";
import { parseSettings } from "../src/settings.js";

const KEYS = Array.from({ length: 2000 }, (_, n) => `user-${n}`);
let folder, config;

const textOf = (version) => `Answer as ${version} does: briefly.`;

function configText({ active = "v2", rollback = "v1", canary = null, share = 0, frozen = false } = {}) {
  const named = canary === null ? "null" : `"support:${canary}"`;
  return `prompts:\n  active: "support:${active}"\n  rollback: "support:${rollback}"\nrollout:\n  frozen: ${frozen}\n  canary: {version: ${named}, share: ${share}}\n`;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "assay-"));
  config = join(folder, "assay.yaml");
  mkdirSync(join(folder, "prompts", "support"), { recursive: true });
  for (const version of ["v1", "v2", "v3", "v4"]) {
    writeFileSync(join(folder, "prompts", "support", `${version}.md`), `${textOf(version)}\n`);
    const { promptId } = loadPrompt(join(folder, "prompts"), `support:${version}`);
    appendFileSync(join(folder, "prompts", "lock.yaml"), `"support:${version}": "${promptId}"\n`);
  }
  writeFileSync(config, configText());
});

afterEach(() => rmSync(folder, { recursive: true }));

const opened = (options = {}) => open(config, { checkEveryMs: 10, ...options });
const serves = (client, version) => KEYS.slice(0, 50).every((key) => client.choose(key).version === version);

async function until(holds) {
  const deadline = Date.now() + 20_000;
  while (!holds()) {
    assert.ok(Date.now() < deadline, "it did not come");
    await sleep(5);
  }
}

function lines() {
  const logs = join(folder, "logs");
  return readdirSync(logs).flatMap((name) =>
    readFileSync(join(logs, name), "utf8").trimEnd().split("\n").map((line) => JSON.parse(line)),
  );
}

test("a choice is all that a request needs, and cannot be changed", () => {
  const choice = opened().choose("user-1");
  assert.equal(choice.text, textOf("v2"));
  assert.ok(choice.systemPrompt.endsWith(`[prompt_id=${choice.promptId}]\n${textOf("v2")}`));
  assert.throws(() => {
    choice.text = "another";
  }, TypeError);
});

test("a share of the keys is the canary's, the same ones each time, and a growing share only adds", () => {
  let before = new Set();
  for (const share of [0.01, 0.05, 0.5, 1]) {
    writeFileSync(config, configText({ canary: "v3", share }));
    const client = opened();
    const now = new Set(KEYS.filter((key) => client.choose(key).isCanary));
    const error = Math.sqrt((share * (1 - share)) / KEYS.length);
    assert.ok(Math.abs(now.size / KEYS.length - share) <= 4 * error);
    assert.ok([...before].every((key) => now.has(key)));
    before = now;
  }
});

test("a switch is followed without a restart", async () => {
  const client = opened();
  assert.ok(serves(client, "v2"));
  writeFileSync(config, configText({ active: "v3" }));
  await until(() => serves(client, "v3"));
  assert.equal(client.error, null);
});

const BROKEN = {
  "half written": configText({ active: "v3" }).slice(0, 25),
  "no such version": configText({ active: "v9" }),
  "a key twice": `${configText({ active: "v3" })}rollout: {}\n`,
};
const UNREADABLE = {
  empty: "",
  "not YAML": "prompts: [",
  "no version": configText({ active: "../v1" }),
  "a share that is none": configText({ active: "v3", canary: "v4", share: 1.5 }),
  "an alias at a key that counts": "x: &a support:v3\nprompts: {active: *a, rollback: *a}\n",
  "an anchor at a section that counts": configText({ active: "v3" }).replace("prompts:", "prompts: &p"),
  "a block scalar at a key that counts": "prompts:\n  rollback: support:v1\n  active: |\n    support:v3\n",
  "prompt_id not logged": `${configText({ active: "v3" })}observability: {log_prompt_id: false}\n`,
};

for (const [name, broken] of Object.entries(BROKEN)) {
  test(`a config that is wrong (${name}) is refused at first and not followed later`, async () => {
    const told = [];
    const client = opened({ onError: (error) => told.push(error) });
    writeFileSync(config, broken);
    assert.throws(() => opened(), { name: "Refusal" });
    await until(() => client.choose("k") && client.error !== null);
    assert.ok(serves(client, "v2"));
    assert.equal(told.length, 1);
    writeFileSync(config, configText({ active: "v3" }));
    await until(() => serves(client, "v3"));
    assert.equal(client.error, null);
  });
}

for (const [name, text] of Object.entries(UNREADABLE)) {
  test(`a config is refused, not guessed: ${name}`, () => {
    assert.throws(() => parseSettings(Buffer.from(text), "assay.yaml"), { name: "Refusal", path: "assay.yaml" });
  });
}

test("a text that is not the locked one, or is gone, is never served", async () => {
  const client = opened();
  const text = join(folder, "prompts", "support", "v3.md");
  writeFileSync(text, "Something else.");
  writeFileSync(config, configText({ active: "v3" }));
  await until(() => client.choose("k").version === "v2" && client.error !== null);
  assert.match(client.error.message, /was locked as support:v3:/);
  unlinkSync(text);
  await until(() => client.choose("k").version === "v2" && /no such prompt/.test(client.error.message));
  writeFileSync(text, textOf("v3"));
  await until(() => serves(client, "v3"));
});

test("a broken canary keeps no rollback from being followed", async () => {
  const client = opened();
  writeFileSync(config, configText({ active: "v1", canary: "v9", share: 0.5 }));
  await until(() => serves(client, "v1"));
  assert.match(client.error.message, /v9/);
});

test("frozen is the last good version without a canary", async () => {
  const line = (action, from, to, canary) =>
    `${JSON.stringify({ action, config: "assay.yaml", from: { active: from }, to: { active: to }, canary })}\n`;
  writeFileSync(config, configText({ canary: "v3", share: 1 }));
  const client = opened();
  assert.ok(serves(client, "v3"));
  writeFileSync(config, configText({ canary: "v3", share: 1, frozen: true }));
  await until(() => serves(client, "v2"));
  assert.ok(client.frozen);

  const history = join(folder, "history.jsonl");
  writeFileSync(history, `torn\nnull\n[]\n{"config":"assay.yaml"}\n${line("promote", "support:v2", "support:v3")}`);
  appendFileSync(history, line("rollback", "support:v3", "support:v2"));
  writeFileSync(config, configText({ active: "v3", rollback: "v2", frozen: true }));
  assert.ok(serves(opened(), "v2"), "not what was rolled back from");
  for (const action of ["freeze", "unfreeze", "merge"]) appendFileSync(history, line(action, "support:v3", "support:v3"));
  assert.ok(serves(opened(), "v2"), "what switches nothing makes nothing good");
  writeFileSync(config, configText({ active: "v3", rollback: "v3", frozen: true }));
  assert.ok(serves(opened(), "v2"), "the last that was active and is good");
  appendFileSync(history, line("force", "support:v2", "support:v3"));
  assert.ok(serves(opened(), "v3"), "promoted again, it is good again");
  appendFileSync(history, line("canary_alarm", "support:v2", "support:v2", { from: { version: "support:v3" } }));
  writeFileSync(config, configText({ active: "v3", rollback: "v1", frozen: true }));
  assert.ok(serves(opened(), "v1"), "not what an alarm took back");
});

test("a run is a line at its start and one at its end, without the key", async () => {
  const client = opened();
  const choice = client.choose("ana@example.com");
  const answer = await client.run(choice, async (run) => {
    assert.deepEqual(lines().map((line) => line.event), ["agent_start"]);
    run.report({ input_tokens: 800, output_tokens: 95, tool_calls_by_tool: { "kb.search": 2 } });
    run.report({ output: "Done.\u2028\ud83d", success: true, spend_usd: 0.002 });
    return 7;
  });
  assert.equal(answer, 7);
  const [start, end] = lines();
  assert.equal(start.run_id, end.run_id);
  assert.equal(end.prompt_id, choice.promptId);
  assert.deepEqual([end.total_tokens, end.tool_calls, end.stop_reason], [895, 2, "finish"]);
  assert.equal(end.output, "Done.\u2028\ufffd");
  assert.deepEqual(start.budgets, { max_steps: 25, max_tool_calls: 12, max_seconds: 60, max_tokens: null, max_spend_usd: null });
  assert.ok(!("input" in start));
  assert.ok(!JSON.stringify([start, end]).includes("ana@example.com"));
});

test("what the agent throws ends the run and goes on", async () => {
  const client = opened();
  const choice = client.choose("k");
  await assert.rejects(client.run(choice, () => Promise.reject(new RangeError("no"))), RangeError);
  const aborted = new DOMException("stopped", "AbortError");
  await assert.rejects(client.run(choice, () => Promise.reject(aborted)), { name: "AbortError" });
  const ends = lines().filter((line) => line.event === "agent_end");
  assert.deepEqual(ends.map((end) => end.stop_reason), ["agent_error", "cancelled"]);
  assert.equal(ends[0].error, "RangeError: no");
});

test("an input is logged only if it is given, and whole", () => {
  const client = opened();
  const longest = "x".repeat(20_000);
  for (const input of ["Is it \u00e9?", longest, longest + "x", undefined]) {
    client.startRun(client.choose("k"), { input }).end();
  }
  const inputs = lines().filter((line) => line.event === "agent_end").map((line) => line.input);
  assert.deepEqual(inputs, ["Is it \u00e9?", longest, undefined, undefined]);
});

test("a run without its prompt is not logged, and one ends once", () => {
  const client = opened();
  for (const choice of [undefined, null, "support:v2", {}, { promptId: "" }, { promptId: "support:v2" }]) {
    assert.throws(() => client.startRun(choice), { name: "Refusal" });
  }
  const run = client.startRun(client.choose("k"), { category: "refund" });
  run.end({ stop_reason: "max_steps", total_tokens: -1, success: "yes" });
  run.end();
  assert.deepEqual(lines().map((line) => line.event), ["agent_start", "agent_end"]);
  const [, end] = lines();
  assert.deepEqual([end.stop_reason, end.total_tokens, end.success], ["max_steps", null, null]);
});

test("a log that cannot be written is said once and stops nothing", async () => {
  writeFileSync(join(folder, "logs"), "a file where the folder should be");
  const told = [];
  const client = opened({ onError: (error) => told.push(error) });
  for (let n = 0; n < 3; n++) client.startRun(client.choose("k")).end();
  assert.equal(client.runLog.lost, 6);
  assert.equal(told.length, 1);
  unlinkSync(join(folder, "logs"));
  client.startRun(client.choose("k")).end();
  assert.equal(client.runLog.error, null);
  assert.equal(lines().length, 2);
});

test("a full file is left and a new one begun, and no line is lost", () => {
  const logs = join(folder, "logs");
  const log = new RunLog(logs, { maxBytes: 200 });
  for (let n = 0; n < 50; n++) log.append({ run_id: n, output: "x".repeat(40) });
  assert.ok(readdirSync(logs).length > 5);
  assert.equal(new Set(lines().map((line) => line.run_id)).size, 50);
});

test("a file that was deleted loses no further line", () => {
  const client = opened();
  const run = client.startRun(client.choose("k"));
  for (const name of readdirSync(join(folder, "logs"))) unlinkSync(join(folder, "logs", name));
  run.end();
  assert.deepEqual(lines().map((line) => line.event), ["agent_end"]);
});

test("a killed process leaves its start", () => {
  const index = new URL("../index.js", import.meta.url).href;
  const program = `import { open } from ${JSON.stringify(index)};
    const client = open(${JSON.stringify(config)});
    client.startRun(client.choose("k"));
    process.kill(process.pid, "SIGKILL");
    setInterval(() => {}, 1000);`;
  spawnSync(process.execPath, ["--input-type=module", "--eval", program]);
  assert.deepEqual(lines().map((line) => line.event), ["agent_start"]);
});
