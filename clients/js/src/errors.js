/** A file that is wrong: `path:line: problem`, and how to mend it. */
export class Refusal extends Error {
  constructor(problem, { path, line, mend } = {}) {
    const where = path === undefined ? "" : line === undefined ? `${path}: ` : `${path}:${line}: `;
    super(`${where}${problem}${mend === undefined ? "" : `\n  mend: ${mend}`}`);
    this.name = "Refusal";
    this.problem = problem;
    this.path = path;
    this.line = line;
    this.mend = mend;
  }

  /** The same, of a file. */
  in(path) {
    return this.path === undefined ? new Refusal(this.problem, { path, line: this.line, mend: this.mend }) : this;
  }
}

/** A file that the system does not give. */
export function unreadable(error, path) {
  return new Refusal(`cannot be read: ${error.code ?? error.message}`, { path });
}
