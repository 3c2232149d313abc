/** Versions that were rolled back from, by the history beside the config; the last word counts. */
import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

import { Refusal } from "./errors.js";
import { readBytes } from "./versions.js";

/** Actions that say nothing of a version, though they name what is active. */
const SWITCH_NOTHING = ["freeze", "unfreeze", "merge"];

/** The version that a frozen config is answered with: active, or rollback, or the last good one. */
export function lastGood(settings, config) {
  const bad = new Set();
  const active = [];
  for (const entry of entries(config)) {
    if (entry.canary !== undefined && entry.canary !== null) {
      if (entry.action === "canary_alarm") bad.add(entry.canary.from.version);
      continue;
    }
    if (SWITCH_NOTHING.includes(entry.action)) continue;
    if (entry.action === "rollback") bad.add(entry.from.active);
    bad.delete(entry.to.active);
    active.push(entry.to.active);
  }
  for (const ref of [settings.active, settings.rollback, ...active.reverse()]) {
    if (!bad.has(ref)) return ref;
  }
  throw new Refusal("frozen, and every version on record was rolled back from", { path: config });
}

function* entries(config) {
  const real = realpathSync(config);
  let bytes;
  try {
    bytes = readBytes(join(dirname(real), "history.jsonl"));
  } catch {
    return;
  }
  for (const line of (bytes ?? "").toString("utf8").split("\n")) {
    const entry = parsed(line);
    if (entry?.config === basename(real) && isWhole(entry)) yield entry;
  }
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

function isWhole(entry) {
  const ofCanary = entry.canary !== undefined && entry.canary !== null;
  const names = ofCanary ? [entry.canary.from?.version ?? ""] : [entry.from?.active, entry.to?.active];
  return names.every((name) => typeof name === "string");
}
