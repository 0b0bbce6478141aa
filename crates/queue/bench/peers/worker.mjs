// What the drivers share: how a process talks with the bench.
//
// `ready` when everything is loaded and connected; on a line from the bench it begins. While it works, `n COUNT` says how many
// jobs it has handled and `p NUMBER NANOSECONDS` when a probe was picked up. The end of its input ends it.
import { createInterface } from "node:readline";

/** Nanoseconds of the system's clock, fine enough to compare processes of one machine. */
export const now = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6));

/** Lines from the bench. */
export const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (line) => process.stdout.write(line + "\n");

/** Counts handled jobs and reports them at most every five milliseconds, the first one at once; probes have a number above zero. */
export function handled() {
  let count = 0;
  let waiting = false;
  return (payload) => {
    if (payload.n > 0) say(`p ${payload.n} ${now()}`);
    count += 1;
    if (count === 1) say("n 1"); // the clock starts with the first
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      say(`n ${count}`);
    }, 5);
  };
}

export async function stopped() {
  for await (const _ of lines);
}

/** Runs `command [arguments…]` of a driver: `setup URL`, `fill URL COUNT`, `worker URL CONCURRENCY`, `enqueue URL`. */
export function main(commands) {
  const [command, ...rest] = process.argv.slice(2);
  if (!commands[command]) throw new Error(`no command ${command}; there are ${Object.keys(commands).join(", ")}`);
  commands[command](...rest).then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

/**
 * Enqueues as the bench says, a line each: `one NUMBER` a single job, `many COUNT` a batch. Answers
 * `ok NANOSECONDS_BEFORE NANOSECONDS_AFTER`.
 */
export async function enqueueing(one, many) {
  say("ready");
  for await (const line of lines) {
    const [what, number] = line.split(" ");
    const before = now();
    if (what === "one") await one(Number(number));
    else if (what === "many") await many(Number(number));
    say(`ok ${before} ${now()}`);
  }
}
