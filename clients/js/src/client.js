/**
 * The production client: picks the version for a request, follows a switch within a second.
 *
 * No timer and no thread: at most every `checkEveryMs` a pick looks at the file. It is read when it
 * has lain still, and only if it is the same before and after; so no half-written one is served.
 * Whatever is wrong then, the last good version goes on serving, and it is said.
 */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

import { Complaints } from "./complaints.js";
import { Refusal, unreadable } from "./errors.js";
import { RunLog } from "./run-log.js";
import { Run } from "./run.js";
import { chosen, loadServing } from "./serving.js";
import { parseSettings } from "./settings.js";

const STILL_MS = 100;
const RETRY_MS = 500;
const ATTEMPTS = 50;

/** The production client of an `assay.yaml`; throws where the file, a text or the lock is wrong. */
export function open(config = "assay.yaml", options = {}) {
  return new Client(config, options);
}

export class Client {
  #config;
  #everyMs;
  #complaints;
  #serving;
  #loaded = null;
  #seen = null;
  #nextLook;
  #nextTry = 0;

  constructor(config, { runLog = "logs", onError, checkEveryMs = 250 } = {}) {
    this.#config = resolve(config);
    this.#everyMs = checkEveryMs;
    this.#complaints = new Complaints(onError);
    this.#serving = this.#first();
    this.#nextLook = performance.now() + checkEveryMs;
    this.runLog = new RunLog(resolve(dirname(this.#config), runLog), { onError });
  }

  /** The version to answer with: active, or the canary for its share of the keys. */
  choose(key) {
    if (typeof key !== "string") throw new TypeError(`a key is a string, not ${typeof key}`);
    if (performance.now() >= this.#nextLook) this.#look();
    return chosen(this.#serving, key);
  }

  /** Write the first line of a run; `end` or `fail` writes the last. */
  startRun(choice, about = {}) {
    if (typeof choice?.promptId !== "string" || choice.promptId === "") {
      throw new Refusal("a run needs the version that it runs with", {
        mend: "client.startRun(client.choose(key))",
      });
    }
    const { budgets, logPromptId } = this.#serving;
    return new Run(this.runLog, choice, { budgets, logPromptId, about });
  }

  /** Log a run around `work`: what it throws ends the run as agent_error, and is thrown on. */
  async run(choice, work, about = {}) {
    const run = this.startRun(choice, about);
    try {
      const result = await work(run);
      run.end();
      return result;
    } catch (error) {
      run.fail(error);
      throw error;
    }
  }

  /** Close the run log's file; a further run opens a new one. */
  close() {
    this.runLog.close();
  }

  /** Why the last good config goes on serving; null while the newest does. */
  get error() {
    return this.#complaints.error;
  }

  /** Limits of one run, as the config has them. */
  get budgets() {
    return this.#serving.budgets;
  }

  /** Whether the kill switch holds. */
  get frozen() {
    return this.#serving.frozen;
  }

  #look() {
    this.#nextLook = performance.now() + this.#everyMs;
    try {
      this.#follow();
    } catch (error) {
      this.#complaints.hear(error);
    }
  }

  #follow() {
    const before = this.#seen;
    this.#seen = mark(this.#config);
    const isKnown = isSame(this.#seen, this.#loaded);
    if (isKnown && (this.error === null || performance.now() < this.#nextTry)) return;
    const isStill = isSame(this.#seen, before) && this.#everyMs >= STILL_MS;
    if (!hasLainStill(this.#seen) && !isStill) return;
    this.#nextTry = performance.now() + RETRY_MS;
    this.#loaded = this.#seen; // also of what cannot be used: it is not read all the time
    const found = this.#read(this.#seen);
    if (found === null) {
      this.#loaded = null;
      return;
    }
    this.#serving = found.serving;
    if (found.wrong === null) this.#complaints.mend();
    else this.#complaints.hear(found.wrong);
  }

  #first() {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = this.#attempt();
      if (found !== null) {
        if (found.wrong !== null) throw found.wrong;
        return found.serving;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STILL_MS / 10);
    }
    throw new Refusal("is being written all the time", { path: this.#config });
  }

  #attempt() {
    const now = mark(this.#config);
    const isStill = hasLainStill(now);
    try {
      const found = this.#read(now);
      if (found !== null && isStill) this.#loaded = now;
      return found;
    } catch (error) {
      if (isStill) throw error;
      return null; // it may be half written
    }
  }

  #read(state) {
    let bytes;
    try {
      bytes = readFileSync(this.#config);
    } catch (error) {
      throw unreadable(error, this.#config);
    }
    if (!isSame(mark(this.#config), state) || BigInt(bytes.length) !== state.size) return null;
    return loadServing(parseSettings(bytes, this.#config), this.#config);
  }
}

/** What tells one state of the real file, behind any symlink, from another. */
function mark(path) {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return { dev, ino, size, mtimeNs, ctimeNs };
  } catch (error) {
    throw unreadable(error, path);
  }
}

function isSame(one, other) {
  return one !== null && other !== null && Object.keys(one).every((key) => one[key] === other[key]);
}

function hasLainStill({ mtimeNs, ctimeNs }) {
  const changed = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  return Date.now() - Number(changed / 1000n) / 1000 >= STILL_MS;
}
