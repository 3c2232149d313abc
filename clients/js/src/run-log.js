/**
 * Production's run log: JSON lines that a crash, a full disk or a second process cannot spoil.
 *
 * Each client writes files of its own, each line whole in one append; a file that has grown large
 * is left, and a new one begun. What cannot be written is counted and said once.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

import { Complaints } from "./complaints.js";

const MAX_BYTES = 64 * 2 ** 20;

export class RunLog {
  /** Lines that could not be written. */
  lost = 0;
  #folder;
  #maxBytes;
  #complaints;
  #file = null;
  #size = 0;
  #isTorn = false;

  constructor(folder, { onError, maxBytes = MAX_BYTES } = {}) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#complaints = new Complaints(onError);
  }

  /** Why the last line was not written; null if it was. */
  get error() {
    return this.#complaints.error;
  }

  /** Write one line; never throws. */
  append(fields) {
    try {
      this.#write(Buffer.from(`${asAscii(JSON.stringify(fields))}\n`, "latin1"));
      this.#complaints.mend();
    } catch (error) {
      this.lost++;
      this.#complaints.hear(error);
    }
  }

  close() {
    const file = this.#file;
    this.#file = null;
    this.#size = 0;
    this.#isTorn = false;
    if (file !== null) closeSync(file);
  }

  #write(line) {
    const file = this.#fileFor(line.length);
    const whole = this.#isTorn ? Buffer.concat([Buffer.from("\n"), line]) : line;
    const written = writeSync(file, whole);
    this.#size += written;
    this.#isTorn = written < whole.length; // the disk was full in the middle of a line
    if (this.#isTorn) throw new Error(`${this.#folder}: only a part of a line was written: is the disk full?`);
  }

  #fileFor(bytes) {
    const isFull = this.#size > 0 && this.#size + bytes > this.#maxBytes;
    if (this.#file === null || isFull || fstatSync(this.#file).nlink === 0) { // deleted
      this.close();
      mkdirSync(this.#folder, { recursive: true });
      const at = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
      const name = `runs-${at}-${process.pid}-${randomBytes(4).toString("hex")}.jsonl`;
      this.#file = openSync(join(this.#folder, name), "ax", 0o640);
    }
    return this.#file;
  }
}

/** JSON as Python writes it: U+2028 ends no line for anybody, and all bytes are ASCII. */
function asAscii(json) {
  return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
