// An agent to be evaluated: a program in Node that lives on, and answers each line of JSON
// on standard input with a line of JSON on standard output. It needs no package.
//
// It has no model: it stands in for yours, and follows its prompt as a model would.

const readline = require("node:readline");

const PAGES = {
  parcel: "Your tracking number is in the mail that we sent with the parcel.",
  return: "You may return a lamp within 45 days of delivery.",
  warranty: "The warranty on a lamp is three years.",
};

function answer({ id, input, system_prompt }) {
  const question = typeof input === "string" ? input : input.at(-1).content;
  const fitting = Object.keys(PAGES).filter((name) => question.toLowerCase().includes(name));
  const wanted = system_prompt.includes("exhaustive") ? Object.keys(PAGES) : fitting;
  const output = wanted.map((name) => PAGES[name]).join(" ");
  return {
    id, // the same as in the request
    output,
    input_tokens: (system_prompt + question).split(/\s+/).length * (wanted.length + 1),
    output_tokens: output.split(/\s+/).length,
    tool_calls: wanted.map((name) => ({ tool: "read_page", arguments: { name } })),
  };
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  console.error("what is printed here is shown if the agent breaks");
  console.log(JSON.stringify(answer(JSON.parse(line))));
});
