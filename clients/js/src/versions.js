/** Prompt versions: `prompts/NAME/VERSION.md`, the id of a text, the system prompt made of it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Refusal, unreadable } from "./errors.js";
import { parseYaml } from "./yaml.js";

const WORD = "[A-Za-z0-9_][A-Za-z0-9._-]*";
const REF = new RegExp(`^(${WORD}):(${WORD})$`);
const DIGEST = /^[0-9a-f]{12}$/;
const ASCII_SPACE = " \t\n\r\v\f";

/** The text of a file's bytes, without a byte-order mark; throws where they are not UTF-8. */
export function decode(bytes) {
  const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

/** The text of a prompt file, the same whichever editor or checkout wrote it. */
export function normalize(bytes) {
  const text = decode(bytes).replaceAll("\r\n", "\n");
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

export function parseRef(ref) {
  const match = REF.exec(ref);
  if (match === null) throw new Refusal(`${JSON.stringify(ref)} is not a prompt version`, { mend: "write NAME:VERSION" });
  return { name: match[1], version: match[2] };
}

export function promptId({ name, version, text }) {
  return `${name}:${version}:${createHash("sha256").update(text, "utf8").digest("hex").slice(0, 12)}`;
}

export function isPromptId(id) {
  const parts = typeof id === "string" ? id.split(":") : [];
  return parts.length === 3 && REF.test(`${parts[0]}:${parts[1]}`) && DIGEST.test(parts[2]);
}

export function systemPrompt({ promptId, text }) {
  return (
    "You are a production agent. You must follow tool policies and budgets.\n" +
    `Always stop with a stop_reason.\n\n[prompt_id=${promptId}]\n${stripped(text)}`
  );
}

/** Without ASCII white space at its ends: `trim` would remove more than Python does. */
function stripped(text) {
  let start = 0;
  let end = text.length;
  while (start < end && ASCII_SPACE.includes(text[start])) start++;
  while (end > start && ASCII_SPACE.includes(text[end - 1])) end--;
  return text.slice(start, end);
}

/** Version `ref` as `{name, version, text, promptId, systemPrompt}`, checked against the lock. */
export function loadPrompt(directory, ref) {
  const { name, version } = parseRef(ref);
  const path = join(directory, name, `${version}.md`);
  const text = textOf(path);
  const id = promptId({ name, version, text });
  const locked = readLock(directory).get(ref);
  if (locked !== undefined && locked !== id) {
    throw new Refusal(`${ref} was locked as ${locked}, but ${path} now makes it ${id}`, {
      path: join(directory, "lock.yaml"),
      mend: "save the new text as a new version, and restore the old one",
    });
  }
  return { name, version, ref, text, promptId: id, systemPrompt: systemPrompt({ promptId: id, text }) };
}

function textOf(path) {
  const bytes = readBytes(path);
  if (bytes === null) throw new Refusal("no such prompt version", { path });
  let text;
  try {
    text = normalize(bytes);
  } catch {
    throw new Refusal("it is not UTF-8", { path, mend: "save the file as UTF-8" });
  }
  if (stripped(text) === "") throw new Refusal("the prompt is empty", { path });
  return text;
}

/** What `lock.yaml` locks: ref to prompt_id; nothing where there is no lock yet. */
export function readLock(directory) {
  const path = join(directory, "lock.yaml");
  const bytes = readBytes(path);
  if (bytes === null) return new Map();
  const root = parseYamlFile(bytes, path);
  if (root === null) return new Map();
  if (root.kind !== "map") throw new Refusal("is not a mapping of versions to prompt_ids", { path });
  if (root.twice !== null) throw new Refusal(`${root.twice.key} is locked twice`, { path, line: root.twice.line });
  return new Map([...root.entries].map(([ref, node]) => [ref, lockedId(ref, node, path)]));
}

function lockedId(ref, node, path) {
  const id = node.type === "string" ? node.value : "";
  if (!id.startsWith(`${ref}:`) || !DIGEST.test(id.slice(ref.length + 1))) {
    throw new Refusal(`${ref} must map to ${ref}: and 12 hex digits`, { path, line: node.line });
  }
  return id;
}

export function parseYamlFile(bytes, path) {
  try {
    return parseYaml(decode(bytes));
  } catch (error) {
    if (error instanceof Refusal) throw error.in(path);
    throw new Refusal("it is not UTF-8", { path, mend: "save the file as UTF-8" });
  }
}

/** A file's bytes; null where there is none. */
export function readBytes(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw unreadable(error, path);
  }
}
