/** One production run in the log: a line when it starts, a line when it ends. */
import { randomBytes } from "node:crypto";

const ABOUT = ["run_id", "golden_task_id", "category", "agent", "model"];
const COUNTS = [
  "input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "total_tokens", "steps",
  "tool_calls", "denied_tool_calls",
];
const REPORTED = new Set([
  ...COUNTS, "tool_calls_by_tool", "spend_usd", "stop_reason", "success", "output", "error", "model",
]);
const MAX_INPUT = 20_000;
const MAX_OUTPUT = 8_000;
const MAX_TEXT = 1_000;
const MAX_TOOLS = 100;

export class Run {
  #log;
  #columns;
  #reported = {};
  #began = performance.now();
  #isOver = false;

  constructor(log, prompt, { budgets, logPromptId, about }) {
    refuseUnknown(about, new Set([...ABOUT, "input"]));
    this.#log = log;
    this.#columns = {
      ...Object.fromEntries(ABOUT.map((name) => [name, text(about[name])])),
      run_id: text(about.run_id) || randomBytes(16).toString("hex"),
      prompt_id: logPromptId ? prompt.promptId : null,
      prompt_name: prompt.name,
      prompt_version: prompt.version,
      started_at: new Date().toISOString(),
      ...asked(about.input),
    };
    log.append({ event: "agent_start", ...this.#columns, budgets });
  }

  get runId() {
    return this.#columns.run_id;
  }

  /** What the run used and how it ended, once or bit by bit; later values win. */
  report(columns) {
    refuseUnknown(columns, REPORTED);
    for (const [name, value] of Object.entries(columns)) {
      if (value !== undefined && value !== null) this.#reported[name] = value;
    }
  }

  /** Write the last line; a second call does nothing. */
  end(columns = {}) {
    this.report(columns);
    if (this.#isOver) return;
    this.#isOver = true;
    const latency_s = Math.round((performance.now() - this.#began) * 1000) / 1e6;
    const times = { ended_at: new Date().toISOString(), latency_s };
    this.#log.append({ event: "agent_end", ...this.#columns, ...times, ...ended(this.#reported) });
  }

  /** The agent broke: `agent_error`, or `cancelled` where it was aborted. */
  fail(error) {
    const stop_reason = error?.name === "AbortError" ? "cancelled" : "agent_error";
    this.end({ stop_reason, error: words(error) });
  }
}

/** What was asked, where it is to be logged: whole, for a part of it is another question. */
function asked(input) {
  const whole = text(input, MAX_INPUT + 1);
  return whole && whole.length <= MAX_INPUT ? { input: whole } : {};
}

function refuseUnknown(given, known) {
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  if (unknown.length > 0) throw new TypeError(`a run has no ${unknown.join(", ")}`);
}

/** Every column, in one order and of one type; what is not known is null. */
function ended(reported) {
  const columns = Object.fromEntries(COUNTS.map((name) => [name, count(reported[name])]));
  const byTool = callsByTool(reported.tool_calls_by_tool);
  const { input_tokens, output_tokens } = columns;
  if (columns.total_tokens === null && input_tokens !== null && output_tokens !== null) {
    columns.total_tokens = input_tokens + output_tokens;
  }
  if (columns.tool_calls === null && byTool !== null) {
    columns.tool_calls = Object.values(byTool).reduce((sum, calls) => sum + calls, 0);
  }
  return {
    ...columns,
    tool_calls_by_tool: byTool,
    spend_usd: amount(reported.spend_usd),
    stop_reason: text(reported.stop_reason) || "finish",
    success: typeof reported.success === "boolean" ? reported.success : null,
    output: text(reported.output, MAX_OUTPUT),
    error: text(reported.error),
    ...("model" in reported ? { model: text(reported.model) } : {}),
  };
}

function text(value, most = MAX_TEXT) {
  return typeof value === "string" ? value.slice(0, most).toWellFormed() : null;
}

function amount(value) {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

function count(value) {
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function callsByTool(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const known = Object.entries(value).map(([tool, calls]) => [text(tool, 200), count(calls)]);
  return Object.fromEntries(known.filter(([tool, calls]) => tool && calls !== null).slice(0, MAX_TOOLS));
}

function words(error) {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return "an error that cannot be shown";
  }
}
