/**
 * Which requests a canary answers: a stable share of the keys, the same in every language.
 *
 *     place = the first 48 bits of sha256(canary's ref + ":" + key, in UTF-8) / 2^48
 *     a request is the canary's where place < share
 */
import { createHash } from "node:crypto";

/** Where a key stands in a canary, in [0, 1). */
export function place(ref, key) {
  return createHash("sha256").update(`${ref}:${key}`, "utf8").digest().readUIntBE(0, 6) / 2 ** 48;
}
