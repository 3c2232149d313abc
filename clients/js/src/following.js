/** Following a config: its last good state serves, until a newer one is found and is good. */
import { readFileSync, statSync } from "node:fs";

import { Refusal, unreadable } from "./errors.js";
import { loadServing } from "./serving.js";
import { parseSettings } from "./settings.js";

const STILL_MS = 100;
const TICK_MS = 2000; // of the coarsest clock that file systems have
const RETRY_MS = 500; // after which what could not be used is tried again
const ATTEMPTS = 50; // readings of a file that changes meanwhile, when nothing is served yet

export class Follower {
  serving;
  nextLook;
  #config;
  #everyMs;
  #complaints;
  #seen = null;
  #seenSince = 0;
  #tried = null;
  #nextTry = 0;

  constructor(config, { everyMs, complaints }) {
    this.#config = config;
    this.#everyMs = everyMs;
    this.#complaints = complaints;
    this.serving = this.#first();
    this.nextLook = performance.now() + everyMs;
  }

  /** Follow the config if it has changed; never throws. */
  look() {
    this.nextLook = performance.now() + this.#everyMs;
    try {
      const now = mark(this.#config);
      if (this.#isToBeRead(now)) this.#follow(now);
    } catch (error) {
      this.#complaints.hear(error);
    }
  }

  #isToBeRead(now) {
    if (!isSame(now, this.#seen)) {
      this.#seen = now;
      this.#seenSince = performance.now();
    }
    const isWell = this.#complaints.error === null;
    if (isSame(now, this.#tried) && (isWell || performance.now() < this.#nextTry)) return false;
    return hasLainStill(now) || performance.now() - this.#seenSince >= STILL_MS;
  }

  #follow(now) {
    this.#nextTry = performance.now() + RETRY_MS;
    this.#tried = isSettled(now) ? now : null; // also where it cannot be used
    const found = this.#read(now);
    if (found === null) {
      this.#tried = null;
      return;
    }
    this.serving = found.serving;
    if (found.wrong === null) this.#complaints.mend();
    else this.#complaints.hear(found.wrong);
  }

  #first() {
    let found;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      found = this.#attempt();
      if (found.serving !== null) {
        if (found.wrong !== null) throw found.wrong;
        return found.serving;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STILL_MS / 10);
    }
    throw found.wrong;
  }

  #attempt() {
    const now = mark(this.#config);
    const isStill = hasLainStill(now);
    try {
      const found = this.#read(now);
      if (found !== null && isSettled(now)) this.#tried = now;
      return found ?? { serving: null, wrong: new Refusal("is being written all the time", { path: this.#config }) };
    } catch (error) {
      if (isStill) throw error;
      return { serving: null, wrong: error }; // it may be half written
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

/** An empty file's time says nothing: ext4 empties a file some 30 ms before it gives it that time. */
function hasLainStill(state) {
  return state.size > 0n && ageMs(state) >= STILL_MS;
}

/** Whether a later write must give another mark; so, too, where clocks differ. */
function isSettled(state) {
  const age = ageMs(state);
  return age < 0 || age >= TICK_MS;
}

function ageMs({ mtimeNs, ctimeNs }) {
  const changed = mtimeNs > ctimeNs ? mtimeNs : ctimeNs;
  return Date.now() - Number(changed / 1000n) / 1000;
}
