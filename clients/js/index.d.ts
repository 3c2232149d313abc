/** A version of a prompt, with its text. */
export interface PromptVersion {
  readonly name: string;
  readonly version: string;
  /** `name:version`. */
  readonly ref: string;
  readonly text: string;
  /** `name:version:` and the first 12 hex digits of the text's sha256. */
  readonly promptId: string;
  /** To be sent to the model as it is; it bears the prompt_id. */
  readonly systemPrompt: string;
}

/** The version that a request is answered with. */
export interface Choice extends PromptVersion {
  readonly isCanary: boolean;
}

export interface Options {
  /** Folder of the run logs, from the config's folder; `logs` if nothing is said. */
  runLog?: string;
  /** Told of every distinct error while the last good version goes on serving. */
  onError?: (error: Error) => unknown;
  /** How often, at most, a pick looks whether the config has changed; 250 if nothing is said. */
  checkEveryMs?: number;
}

/** Limits of one run; null where there is none, or none that is known. */
export interface Budgets {
  readonly max_steps: number | null;
  readonly max_tool_calls: number | null;
  readonly max_seconds: number | null;
  readonly max_tokens: number | null;
  readonly max_spend_usd: number | null;
}

/** What is known of a run beforehand; `run_id` is made up if it is not given. */
export interface About {
  run_id?: string | null;
  golden_task_id?: string | null;
  category?: string | null;
  agent?: string | null;
  model?: string | null;
  /** What was asked, where it may be logged. */
  input?: string | null;
}

/** What a run used and how it ended; what is left out is not known. */
export interface Report {
  input_tokens?: number | null;
  output_tokens?: number | null;
  cached_tokens?: number | null;
  reasoning_tokens?: number | null;
  total_tokens?: number | null;
  steps?: number | null;
  tool_calls?: number | null;
  tool_calls_by_tool?: Readonly<Record<string, number>> | null;
  denied_tool_calls?: number | null;
  spend_usd?: number | null;
  stop_reason?: string | null;
  success?: boolean | null;
  output?: string | null;
  error?: string | null;
  model?: string | null;
}

/** A run whose first line is in the log. */
export interface Run {
  readonly runId: string;
  /** Once or bit by bit; later values win. */
  report(columns: Report): void;
  /** Write the last line; a second call does nothing. */
  end(columns?: Report): void;
  /** End as `agent_error`, or as `cancelled` where the error is an AbortError. */
  fail(error: unknown): void;
}

export interface RunLog {
  /** Lines that could not be written. */
  readonly lost: number;
  /** Why the last line was not written; null if it was. */
  readonly error: Error | null;
}

export class Client {
  constructor(config: string, options?: Options);
  /** The version to answer with: active, or the canary for its share of the keys. */
  choose(key: string): Choice;
  /** Write the first line of a run; `end` or `fail` writes the last. */
  startRun(choice: PromptVersion, about?: About): Run;
  /** Log a run around `work`; what it throws ends the run, and is thrown on. */
  run<Result>(
    choice: PromptVersion,
    work: (run: Run) => Result | Promise<Result>,
    about?: About,
  ): Promise<Result>;
  /** Close the run log's file; a further run opens a new one. */
  close(): void;
  /** Why the last good config goes on serving; null while the newest does. */
  readonly error: Error | null;
  readonly budgets: Budgets;
  /** Whether the kill switch holds. */
  readonly frozen: boolean;
  readonly runLog: RunLog;
}

/** The production client of an `assay.yaml`; throws where the file, a text or the lock is wrong. */
export function open(config?: string, options?: Options): Client;

/** A file that is wrong: its message is `path:line: problem`. */
export class Refusal extends Error {
  readonly problem: string;
  readonly path?: string;
  readonly line?: number;
  readonly mend?: string;
}

/** Where a key stands in a canary, in [0, 1): it is the canary's where that is below the share. */
export function place(ref: string, key: string): number;

/** The text of a prompt file's bytes; throws where they are not UTF-8. */
export function normalize(bytes: Uint8Array): string;
export function parseRef(ref: string): { name: string; version: string };
export function promptId(prompt: { name: string; version: string; text: string }): string;
export function systemPrompt(prompt: { promptId: string; text: string }): string;
/** Version `ref` from a folder of prompts, checked against its lock. */
export function loadPrompt(directory: string, ref: string): PromptVersion;
/** What the folder's `lock.yaml` locks: ref to prompt_id. */
export function readLock(directory: string): Map<string, string>;
