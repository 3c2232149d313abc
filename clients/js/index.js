/** Assay's production client for JavaScript; see README.md. */
export { Client, open } from "./src/client.js";
export { Refusal } from "./src/errors.js";
export { place } from "./src/routing.js";
export { loadPrompt, normalize, parseRef, promptId, readLock, systemPrompt } from "./src/versions.js";
