// An agent as teams have them: OpenAI's own client, a tool loop, streamed answers. Nothing in it
// knows of Assay but its first lines, which read the question, and its last, which prints the answer.
import OpenAI from "openai";

const { input } = JSON.parse(await new Response(process.stdin).text());
const question = typeof input === "string" ? [{ role: "user", content: input }] : input;

const SYSTEM = "You answer the customers of a lamp shop.";
const PAGES = {
  parcel: "Your tracking number is in the mail that we sent with the parcel.",
  return: "You may return a lamp within 45 days of delivery.",
  warranty: "The warranty on a lamp is three years.",
};
const TOOLS = [
  {
    type: "function",
    function: {
      name: "read_page",
      description: "Read a page of the help center.",
      parameters: {
        type: "object",
        properties: { name: { type: "string", enum: Object.keys(PAGES) } },
        required: ["name"],
      },
    },
  },
];

const client = new OpenAI(); // OPENAI_BASE_URL and OPENAI_API_KEY, as everywhere
const messages = [{ role: "system", content: SYSTEM }, ...question];

for (;;) {
  const { message } = (
    await client.chat.completions
      .stream({ model: "gpt-5-mini", messages, tools: TOOLS })
      .finalChatCompletion()
  ).choices[0];
  messages.push(message);
  if (!message.tool_calls?.length) {
    console.log(message.content);
    break;
  }
  for (const call of message.tool_calls) {
    const { name } = JSON.parse(call.function.arguments);
    messages.push({ role: "tool", tool_call_id: call.id, content: PAGES[name] ?? "no such page" });
  }
}
