/**
 * Asks a master for `/health` again and again, in a process of its own so that nothing but the
 * master delays the answers. Run with the master's URL; prints a JSON array of milliseconds at the
 * end of its input.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { RawHttp } from "./raw-http.ts";

const PAUSE_MS = 5;

const url = process.argv[2] ?? "";
const http = await RawHttp.connect(url);
const latencies: number[] = [];
let isOver = false;
process.stdin.once("end", () => {
  isOver = true;
});
process.stdin.resume();
while (!isOver) {
  const startMs = performance.now();
  await http.get("/health");
  latencies.push(performance.now() - startMs);
  await sleep(PAUSE_MS);
}
http.close();
// Ends by itself: an exit would cut what the pipe has not taken yet.
process.stdout.write(JSON.stringify(latencies));
