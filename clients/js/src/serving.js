/** The versions that requests are answered with: loaded, checked against the lock, immutable. */
import { dirname, resolve } from "node:path";

import { place } from "./routing.js";
import { lastGood } from "./setbacks.js";
import { loadPrompt } from "./versions.js";

/** `{serving, wrong}`: a canary that cannot be used answers nothing, and keeps no rollback back. */
export function loadServing(settings, config) {
  const directory = resolve(dirname(config), settings.directory);
  const ref = settings.frozen ? lastGood(settings, config) : settings.active;
  const active = Object.freeze({ ...loadPrompt(directory, ref), isCanary: false });
  let canary = null;
  let wrong = null;
  if (!settings.frozen && settings.canary !== null && settings.share > 0 && settings.canary !== ref) {
    try {
      canary = Object.freeze({ ...loadPrompt(directory, settings.canary), isCanary: true });
    } catch (error) {
      wrong = error;
    }
  }
  const { share, budgets, logPromptId, frozen } = settings;
  return { serving: Object.freeze({ active, canary, share, budgets, logPromptId, frozen }), wrong };
}

/** The version that a key is answered with. */
export function chosen(serving, key) {
  const { canary, share, active } = serving;
  return canary !== null && place(canary.ref, key) < share ? canary : active;
}
