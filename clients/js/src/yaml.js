/**
 * YAML as people write `assay.yaml`, read for certain or not at all.
 *
 * Block and flow mappings and lists, plain and quoted scalars, comments, LF and CRLF, a byte-order
 * mark. What is legal but not read here (anchors, aliases, tags, block scalars, scalars of several
 * lines) becomes a node of kind "unsure": it may stand anywhere but at the keys that are needed.
 * Whatever leaves the structure in doubt is an error, never a guess.
 */
import { Refusal } from "./errors.js";

const MAX_DEPTH = 40;
const NULL = /^(?:~|null|Null|NULL|)$/;
const BOOL = /^(?:true|True|TRUE|false|False|FALSE)$/;
const NUMBER = /^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const NOT_READ = /\r(?!\n)|[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]/u;
const SIMPLE_ESCAPES = {
  0: "\0", a: "\x07", b: "\b", t: "\t", n: "\n", v: "\v", f: "\f", r: "\r", e: "\x1b",
  " ": " ", '"': '"', "\\": "\\", "/": "/", _: "\xa0", N: "\x85", L: "\u2028", P: "\u2029",
};

/**
 * The one document in a text that has no byte-order mark any more.
 *
 * A node is `{kind: "map", entries, twice, line}`, `{kind: "list", line}`,
 * `{kind: "scalar", type, value, line}` with the type string, number, bool or null, or
 * `{kind: "unsure", why, line}`; lines are counted from 1. Null where the text is empty.
 */
export function parseYaml(text) {
  const odd = NOT_READ.exec(text);
  if (odd !== null) {
    const code = odd[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw refusal(text.slice(0, odd.index).split("\n").length, `character U+${code}`);
  }
  return new Reader(text.split(/\r?\n/)).document();
}

function refusal(line, why) {
  return new Refusal(`cannot read line ${line}: ${why}`, { line });
}

class Reader {
  constructor(lines) {
    this.lines = lines;
    this.n = 0; // the line
    this.c = 0; // and the column in it
    this.depth = 0;
    this.anchors = new Set();
  }

  document() {
    this.toContent();
    if (this.atEnd()) return null;
    if (/^--- *(?: #.*)?$/.test(this.line())) {
      this.n++;
      this.toContent();
      if (this.atEnd()) return null;
    }
    const marker = this.lines.findIndex((line, n) => n >= this.n && /^(?:---|\.\.\.)(?:\s|$)/.test(line));
    if (marker >= 0) throw refusal(marker + 1, "a document begins or ends here");
    if (this.line().startsWith("%")) this.refuse("a directive");
    const root = this.block(-1);
    this.toContent();
    if (!this.atEnd()) this.refuse("it is indented less than what it belongs to");
    return root;
  }

  // --- lines ---------------------------------------------------------------------------------

  line() {
    return this.lines[this.n];
  }

  rest() {
    return this.line().slice(this.c);
  }

  atEnd() {
    return this.n >= this.lines.length;
  }

  refuse(why) {
    throw refusal(Math.min(this.n, this.lines.length - 1) + 1, why);
  }

  /** To the first token of the next line that is more than blank or a comment. */
  toContent() {
    while (!this.atEnd() && /^ *(?:#.*)?$/.test(this.line())) this.n++;
    if (this.atEnd()) return;
    this.c = /^ */.exec(this.line())[0].length;
    if (this.line()[this.c] === "\t") this.refuse("a tab");
  }

  skipSpaces() {
    while (this.line()[this.c] === " ") this.c++;
    if (this.line()[this.c] === "\t") this.refuse("a tab");
  }

  isDash() {
    return /^-(?: |$)/.test(this.rest());
  }

  /** Whether nothing more than a comment follows; it has to be set off by a space. */
  lineIsOver() {
    return /^(?: *| +#.*)$/.test(this.rest()) || (this.line()[this.c - 1] === " " && /^#/.test(this.rest()));
  }

  endLine() {
    if (!this.lineIsOver()) this.refuse("something follows a value");
    this.n++;
  }

  // --- block style ---------------------------------------------------------------------------

  /** The node whose first token is here, at the beginning of its line or after a dash. */
  block(parent) {
    if (++this.depth > MAX_DEPTH) this.refuse("nested too deeply");
    let node;
    if (this.isDash()) node = this.list(this.c);
    else if (this.keyHere() !== null) node = this.map(this.c);
    else node = this.inline(parent, true);
    this.depth--;
    return node;
  }

  map(column) {
    const node = { kind: "map", entries: new Map(), twice: null, line: this.n + 1 };
    for (;;) {
      const key = this.keyHere();
      if (key === null) this.refuse("this is no key");
      if (node.entries.has(key.text)) node.twice ??= { key: key.text, line: this.n + 1 };
      this.c = key.end;
      this.skipSpaces();
      node.entries.set(key.text, this.value(column, true));
      if (!this.goesOn(column)) return node;
      if (this.isDash()) this.refuse("a list in the middle of a mapping");
    }
  }

  list(column) {
    const node = { kind: "list", line: this.n + 1 };
    for (;;) {
      this.c++;
      this.skipSpaces();
      this.value(column, false);
      if (!this.goesOn(column) || !this.isDash()) return node;
    }
  }

  /** Whether the collection in this column has a further line. */
  goesOn(column) {
    this.toContent();
    if (this.atEnd() || this.c < column) return false;
    if (this.c > column) this.refuse("it is indented more than what it belongs to");
    return true;
  }

  /** What follows `key:` or a dash. */
  value(column, inMap) {
    if (!this.lineIsOver()) {
      const isCompact = !inMap && (this.isDash() || this.keyHere() !== null);
      return isCompact ? this.block(column) : this.inline(column, inMap);
    }
    const line = this.n + 1;
    this.n++;
    this.toContent();
    if (!this.atEnd() && this.c > column) return this.block(column);
    if (!this.atEnd() && inMap && this.c === column && this.isDash()) return this.block(column);
    return { kind: "scalar", type: "null", value: null, line };
  }

  /** The key that begins here, if one does: its text, and the column after its colon. */
  keyHere() {
    const rest = this.rest();
    if (/^[?:](?: |$)/.test(rest)) this.refuse("a key of its own line");
    if (this.isDash()) return null;
    let found = null;
    if (/^["']/.test(rest)) {
      const quoted = this.quotedOnThisLine();
      const colon = quoted === null ? null : /^ *:(?= |$)/.exec(this.line().slice(quoted.end));
      if (colon !== null) found = { text: quoted.value, end: quoted.end + colon[0].length };
    } else if (!/^[[\]{},#&*!|>%@`]/.test(rest)) {
      const plain = /^((?:(?! #|:(?: |$)).)*):(?= |$)/.exec(rest);
      if (plain !== null) found = { text: plain[1].replace(/ +$/, ""), end: this.c + plain[0].length };
    }
    if (found !== null && (/\t/.test(found.text) || found.end - this.c > 1000)) {
      this.refuse("a key that is not plain");
    }
    return found;
  }

  /** A value that begins in the middle of a line. */
  inline(column, inMap) {
    const line = this.n + 1;
    const first = this.line()[this.c];
    if (first === "&" || first === "!") return this.withProperty(column, inMap);
    if (first === "*") return this.alias(true);
    if (first === "|" || first === ">") return this.blockScalar(column);
    let node;
    if (first === '"' || first === "'") node = this.quoted();
    else if (first === "[" || first === "{") node = this.flow();
    else return this.plain(column, line);
    this.endLine();
    return node;
  }

  withProperty(column, inMap) {
    const line = this.n + 1;
    const property = /^[&!][^ \t,[\]{}]*/.exec(this.rest())[0];
    if (property[0] === "&") this.anchor(property.slice(1));
    this.c += property.length;
    if (!this.lineIsOver() && this.line()[this.c] !== " ") this.refuse("a tag or an anchor");
    this.skipSpaces();
    if (this.lineIsOver()) this.value(column, inMap);
    else if (this.keyHere() !== null) this.block(column);
    else this.inline(column, inMap);
    return { kind: "unsure", why: "it bears an anchor or a tag", line };
  }

  anchor(name) {
    if (!/^[A-Za-z0-9_-]+$/.test(name) || this.anchors.has(name)) this.refuse("an odd anchor");
    this.anchors.add(name);
  }

  alias(endsLine) {
    const line = this.n + 1;
    const name = /^\*[^ \t,[\]{}]*/.exec(this.rest())[0].slice(1);
    if (!this.anchors.has(name)) this.refuse("an alias of nothing");
    this.c += name.length + 1;
    if (endsLine) this.endLine();
    return { kind: "unsure", why: "it is an alias", line };
  }

  blockScalar(column) {
    const line = this.n + 1;
    const header = /^[|>](?:[+-]|([1-9])[+-]?|[+-]([1-9]))?(?: *| +#.*)$/.exec(this.rest());
    if (header === null) this.refuse("a block scalar begins oddly");
    const said = Number(header[1] ?? header[2] ?? 0);
    const least = Math.max(column + 1, 1);
    this.n++;
    let widest = 0;
    let first = this.n;
    for (; first < this.lines.length && /^ *$/.test(this.lines[first]); first++) {
      widest = Math.max(widest, this.lines[first].length);
    }
    const spaces = (n) => /^ */.exec(this.lines[n])[0].length;
    const width = first < this.lines.length ? spaces(first) : 0;
    if (!said && widest > Math.max(width, least)) this.refuse("a block scalar begins with spaces");
    const indent = said ? least + said - 1 : Math.max(width, least);
    while (!this.atEnd() && (/^ *$/.test(this.line()) || spaces(this.n) >= indent)) this.n++;
    return { kind: "unsure", why: "it is a block scalar", line };
  }

  plain(column, line) {
    if (/^[,\]}%@`#]/.test(this.rest()) || /^[-?:](?: |$)/.test(this.rest())) {
      this.refuse("a value does not begin so");
    }
    let { text, hasComment } = this.plainOnThisLine();
    let lines = 1;
    for (;;) {
      this.n++;
      if (hasComment) break;
      const blank = this.n;
      while (!this.atEnd() && /^ *$/.test(this.line())) this.n++;
      if (this.atEnd()) break;
      this.c = /^ */.exec(this.line())[0].length;
      if (this.c <= column || this.line()[this.c] === "#") {
        this.n = blank;
        break;
      }
      ({ hasComment } = this.plainOnThisLine());
      lines++;
    }
    if (lines > 1) return { kind: "unsure", why: "it spans several lines", line };
    return { kind: "scalar", ...resolved(text), line };
  }

  plainOnThisLine() {
    const rest = this.rest();
    const comment = rest.indexOf(" #");
    const text = (comment < 0 ? rest : rest.slice(0, comment)).replace(/ +$/, "");
    if (text.includes("\t")) this.refuse("a tab");
    if (/:(?: |$)/.test(text)) this.refuse("a colon in a value: quote it");
    return { text, hasComment: comment >= 0 };
  }

  // --- quotes --------------------------------------------------------------------------------

  /** `{value, end}` of the quotes that begin here; null if they do not end on this line. */
  quotedOnThisLine() {
    const rest = this.rest();
    const single = rest[0] === "'";
    const whole = single ? /^'((?:[^']|'')*)'/.exec(rest) : /^"((?:[^"\\]|\\.)*)"/.exec(rest);
    if (whole === null) return null;
    const value = single ? whole[1].replaceAll("''", "'") : this.unescaped(whole[1]);
    return { value, end: this.c + whole[0].length };
  }

  quoted() {
    const line = this.n + 1;
    const here = this.quotedOnThisLine();
    if (here !== null) {
      this.c = here.end;
      return { kind: "scalar", type: "string", value: here.value, line };
    }
    const single = this.line()[this.c] === "'";
    const end = single ? /^(?:[^']|'')*'(?!')/ : /^(?:[^"\\]|\\.)*"/;
    const start = this.n;
    this.c++;
    for (;;) {
      const closing = end.exec(this.rest());
      const part = closing?.[0].slice(0, -1) ?? this.rest();
      if (!single) this.unescaped(part.replace(/^((?:[^\\]|\\.)*)\\$/, "$1")); // it folds the line
      if (closing !== null) {
        this.c += closing[0].length;
        return { kind: "unsure", why: "it spans several lines", line };
      }
      this.n++;
      this.c = 0;
      if (this.atEnd()) throw refusal(start + 1, "a quote that is not closed");
    }
  }

  unescaped(text) {
    return unescaped(text) ?? this.refuse("an unknown escape");
  }

  // --- flow style ----------------------------------------------------------------------------

  flow() {
    if (++this.depth > MAX_DEPTH) this.refuse("nested too deeply");
    const node = this.line()[this.c] === "[" ? this.flowList() : this.flowMap();
    this.depth--;
    return node;
  }

  flowList() {
    const node = { kind: "list", line: this.n + 1 };
    this.c++;
    for (;;) {
      this.flowSpace();
      if (this.line()[this.c] === "]") return this.closed(node);
      this.flowValue();
      this.flowSpace();
      if (this.line()[this.c] === ",") this.c++;
      else if (this.line()[this.c] !== "]") this.refuse("a list that goes on oddly");
    }
  }

  flowMap() {
    const node = { kind: "map", entries: new Map(), twice: null, line: this.n + 1 };
    this.c++;
    for (;;) {
      this.flowSpace();
      if (this.line()[this.c] === "}") return this.closed(node);
      const line = this.n + 1;
      const key = this.flowValue();
      if (key.kind !== "scalar" || this.n + 1 !== line) this.refuse("a key that is not plain");
      this.skipSpaces();
      let value = { kind: "scalar", type: "null", value: null, line };
      if (this.line()[this.c] === ":") {
        this.c++;
        this.flowSpace();
        if (!/^[,}]/.test(this.rest())) value = this.flowValue();
      }
      const text = String(key.written ?? key.value);
      if (node.entries.has(text)) node.twice ??= { key: text, line };
      node.entries.set(text, value);
      this.flowSpace();
      if (this.line()[this.c] === ",") this.c++;
      else if (this.line()[this.c] !== "}") this.refuse("a mapping that goes on oddly");
    }
  }

  closed(node) {
    this.c++;
    return node;
  }

  flowValue() {
    const line = this.n + 1;
    const first = this.line()[this.c];
    if (first === "[" || first === "{") return this.flow();
    if (first === '"' || first === "'") return this.quoted();
    if (first === "*") return this.alias(false);
    if (first === "&" || first === "!") this.refuse("an anchor or a tag in brackets");
    if (/^[,\]}%@`#|>?:]/.test(this.rest()) || /^-(?:[ ,[\]{}]|$)/.test(this.rest())) {
      this.refuse("a value does not begin so");
    }
    const text = /^(?:(?! #|:(?:[ ,[\]{}]|$))[^,[\]{}])*/.exec(this.rest())[0];
    if (/[\t?]/.test(text)) this.refuse("a value in brackets that is not plain: quote it");
    this.c += text.length;
    const written = text.replace(/ +$/, "");
    return { kind: "scalar", ...resolved(written), written, line };
  }

  /** Past spaces, line ends and comments. */
  flowSpace() {
    const start = this.n;
    for (;;) {
      if (this.atEnd()) throw refusal(start + 1, "a bracket that is not closed");
      this.skipSpaces();
      if (this.c < this.line().length) {
        if (this.line()[this.c] !== "#") return;
        if (this.c > 0 && this.line()[this.c - 1] !== " ") this.refuse("a comment without a space");
      }
      this.n++;
      this.c = 0;
    }
  }
}

/** What a plain scalar stands for, as `assay/yaml_loader.py` has it. */
function resolved(text) {
  if (NULL.test(text)) return { type: "null", value: null };
  if (BOOL.test(text)) return { type: "bool", value: text.toLowerCase() === "true" };
  if (NUMBER.test(text)) return { type: "number", value: Number(text) };
  return { type: "string", value: text };
}

/** Between double quotes; null where an escape is not known. */
function unescaped(text) {
  let known = true;
  const value = text.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gu, (_, x, u, U, one) => {
    if (one === undefined) {
      const code = parseInt(x ?? u ?? U, 16);
      known &&= code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
      return known ? String.fromCodePoint(code) : "";
    }
    known &&= Object.hasOwn(SIMPLE_ESCAPES, one);
    return SIMPLE_ESCAPES[one];
  });
  return known ? value : null;
}
