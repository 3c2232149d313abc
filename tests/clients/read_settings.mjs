/** Reads configs as JSON lines of base64, says what each comes to: for the comparison with Python. */
import { createInterface } from "node:readline";

import { parseSettings } from "../../clients/js/src/settings.js";

for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = { settings: parseSettings(Buffer.from(line, "base64"), "assay.yaml") };
  } catch (error) {
    said = { refused: error.problem ?? `BUG ${error.stack}` };
  }
  console.log(JSON.stringify(said));
}
