/** What an `assay.yaml` sends to production: read strictly, and nothing else of the file. */
import { Refusal } from "./errors.js";
import { parseRef, parseYamlFile } from "./versions.js";

/** Limits of one run that a config leaves out. */
export const BUDGETS = Object.freeze({
  max_steps: 25,
  max_tool_calls: 12,
  max_seconds: 60,
  max_tokens: null,
  max_spend_usd: null,
});
const SHARE = 0.05;

/** `{active, rollback, directory, logPromptId, canary, share, frozen, budgets}` of a file's bytes. */
export function parseSettings(bytes, path) {
  const root = parseYamlFile(bytes, path);
  if (root === null) throw new Refusal("the file is empty", { path });
  const top = new Section(root, "", path);
  const prompts = top.section("prompts");
  const rollout = top.section("rollout");
  const canary = rollout.section("canary");
  const observability = top.section("observability");
  const version = canary.text("version", null);
  const share = canary.number("share", SHARE);
  if (!(share >= 0 && share <= 1)) throw canary.refusal("share", "must be from 0 to 1");
  const settings = {
    active: prompts.ref("active"),
    rollback: prompts.ref("rollback"),
    directory: prompts.text("directory", "prompts") || "prompts",
    requirePromptId: prompts.flag("require_prompt_id", true),
    logPromptId: observability.flag("log_prompt_id", true),
    canary: version === null || version === "" ? null : canary.ref("version"),
    share,
    frozen: rollout.flag("frozen", false),
    budgets: top.section("budgets").numbers(BUDGETS),
  };
  if (settings.requirePromptId && !settings.logPromptId) {
    throw observability.refusal("log_prompt_id", "is false, but prompts.require_prompt_id is true");
  }
  return settings;
}

/** The scalars of one mapping, each of the kind that is asked for. */
class Section {
  constructor(node, name, path) {
    this.name = name;
    this.path = path;
    this.line = node?.line;
    this.nodes = new Map();
    if (node === undefined || (node.kind === "scalar" && node.type === "null")) return;
    const what = name === "" ? "the file" : `\`${name}\``;
    if (node.kind !== "map") {
      throw new Refusal(`${what} is not a mapping${node.why ? `: ${node.why}` : ""}`, { path, line: node.line });
    }
    if (node.twice !== null) {
      throw new Refusal(`\`${this.full(node.twice.key)}\` is given twice`, { path, line: node.twice.line });
    }
    this.nodes = node.entries;
    if (name !== "" && this.nodes.has("<<")) throw this.refusal("<<", "is not read here");
  }

  section(key) {
    return new Section(this.nodes.get(key), this.full(key), this.path);
  }

  text(key, fallback) {
    const node = this.scalar(key);
    if (node === undefined || (fallback === null && node.type === "null")) return fallback;
    if (node.type !== "string") throw this.refusal(key, "must be a string");
    return node.value;
  }

  ref(key) {
    const value = this.text(key, null);
    if (value === null) throw this.refusal(key, "is missing");
    try {
      parseRef(value);
    } catch (error) {
      throw this.refusal(key, `names no version: ${error.problem}`);
    }
    return value;
  }

  flag(key, fallback) {
    const node = this.scalar(key);
    if (node === undefined) return fallback;
    if (node.type !== "bool") throw this.refusal(key, "must be true or false");
    return node.value;
  }

  number(key, fallback) {
    const node = this.scalar(key);
    if (node === undefined) return fallback;
    if (node.type !== "number") throw this.refusal(key, "must be a number");
    return node.value;
  }

  /** What is no number is not known: a limit that is mistyped must stop no rollback. */
  numbers(fallbacks) {
    const read = { ...fallbacks };
    for (const key of Object.keys(fallbacks)) {
      const node = this.nodes.get(key);
      if (node !== undefined) read[key] = Number.isFinite(node.value) ? node.value : null;
    }
    return read;
  }

  scalar(key) {
    const node = this.nodes.get(key);
    if (node !== undefined && node.kind !== "scalar") {
      throw this.refusal(key, node.why ? `cannot be read: ${node.why}` : "must be one value");
    }
    return node;
  }

  refusal(key, problem) {
    const line = this.nodes.get(key)?.line ?? this.line;
    return new Refusal(`\`${this.full(key)}\` ${problem}`, { path: this.path, line });
  }

  full(key) {
    return this.name === "" ? key : `${this.name}.${key}`;
  }
}
