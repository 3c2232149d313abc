/** Picks versions until its input ends; then says every text it saw, and the last version. */
import { open } from "../../clients/js/index.js";

const client = open(process.argv[2], { checkEveryMs: 10 });
const texts = new Set();
let picks = 0;
const pick = () => {
  for (let n = 0; n < 20; n++) texts.add(client.choose(`user-${n}`).text);
  picks++;
};
const timer = setInterval(pick, 1);
console.log("reading");
process.stdin.on("data", () => console.log(client.choose("user-1").version)); // one line asks
process.stdin.on("end", () => {
  clearInterval(timer);
  console.log(JSON.stringify({ texts: [...texts], picks, error: client.error?.message ?? null }));
});
