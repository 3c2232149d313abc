/** Errors that must not stop an agent: each is said once, and kept where it can be asked for. */
const MOST = 100;

export class Complaints {
  error = null;
  #said = new Set();
  #onError;

  constructor(onError) {
    this.#onError = onError;
  }

  hear(error) {
    this.error = error;
    const words = String(error);
    if (this.#said.has(words)) return;
    if (this.#said.size >= MOST) this.#said.clear();
    this.#said.add(words);
    process.emitWarning(words, "AssayWarning");
    try {
      this.#onError?.(error);
    } catch (failed) {
      process.emitWarning(`onError failed: ${failed}`, "AssayWarning");
    }
  }

  /** All is well: the same error is said again when it comes back. */
  mend() {
    this.error = null;
    this.#said.clear();
  }
}
