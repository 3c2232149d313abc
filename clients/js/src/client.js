/**
 * The production client: picks the version for a request, follows a switch within a second.
 *
 * No timer and no thread: at most every `checkEveryMs` a pick looks at the file. It is read when it
 * has lain still, and only if it is the same before and after; so no half-written one is served.
 * Whatever is wrong then, the last good version goes on serving, and it is said.
 */
import { dirname, resolve } from "node:path";

import { Complaints } from "./complaints.js";
import { Refusal } from "./errors.js";
import { Follower } from "./following.js";
import { RunLog } from "./run-log.js";
import { Run } from "./run.js";
import { chosen } from "./serving.js";
import { isPromptId } from "./versions.js";

/** The production client of an `assay.yaml`; throws where the file, a text or the lock is wrong. */
export function open(config = "assay.yaml", options = {}) {
  return new Client(config, options);
}

export class Client {
  #complaints;
  #following;

  constructor(config, { runLog = "logs", onError, checkEveryMs = 250 } = {}) {
    const path = resolve(config);
    this.#complaints = new Complaints(onError);
    this.#following = new Follower(path, { everyMs: checkEveryMs, complaints: this.#complaints });
    this.runLog = new RunLog(resolve(dirname(path), runLog), { onError });
  }

  /** The version to answer with: active, or the canary for its share of the keys. */
  choose(key) {
    if (typeof key !== "string") throw new TypeError(`a key is a string, not ${typeof key}`);
    if (performance.now() >= this.#following.nextLook) this.#following.look();
    return chosen(this.#following.serving, key);
  }

  /** Write the first line of a run; `end` or `fail` writes the last. */
  startRun(choice, about = {}) {
    if (!isPromptId(choice?.promptId)) {
      throw new Refusal("a run needs the version that it runs with", {
        mend: "client.startRun(client.choose(key))",
      });
    }
    const { budgets, logPromptId } = this.#following.serving;
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
    return this.#following.serving.budgets;
  }

  /** Whether the kill switch holds. */
  get frozen() {
    return this.#following.serving.frozen;
  }
}
