// pg-boss 12.35, by its documents (https://pgboss.io/api/workers):
// - batchSize: jobs a fetch takes, handled together and completed by one statement. Its handler sees a batch at a time, so
//   this is its concurrency too; below 250 it is left at 250, or every fetch would be too small to be fair;
// - localConcurrency 2: two such loops, so that one fetches while the other completes;
// - burstWhenBatchFull: goes on without a pause while batches come back full; else every half second, its shortest;
// - useListenNotify with `notify` on the queue: a worker is woken by the insert's commit;
// - jobs are added by insert(), many a call (https://pgboss.io/api/jobs).
// It keeps finished jobs in the same table for a week. Supervision and schedules are off while it is measured.
import { PgBoss } from "pg-boss";
import { enqueueing, handled, lines, main, say, stopped } from "./worker.mjs";

const QUEUE = "noop";

async function start(connectionString, options = {}) {
  const boss = new PgBoss({ connectionString, supervise: false, schedule: false, ...options });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}

const batch = (count) => Array.from({ length: count }, () => ({ data: { n: 0 } }));

main({
  async setup(connectionString) {
    const boss = await start(connectionString);
    await boss.createQueue(QUEUE, { notify: true });
    await boss.stop({ graceful: false });
  },

  async fill(connectionString, count) {
    const boss = await start(connectionString, { migrate: false });
    for (let left = Number(count); left > 0; left -= 5000) await boss.insert(QUEUE, batch(Math.min(left, 5000)));
    await boss.stop({ graceful: false });
  },

  async worker(connectionString, concurrency) {
    const seen = handled();
    const boss = await start(connectionString, { migrate: false, max: 8, useListenNotify: true });
    say("ready");
    await lines.next();
    const options = {
      batchSize: Math.max(Number(concurrency), Number(process.env.BATCH ?? 250)),
      localConcurrency: Number(process.env.LOCAL ?? 2),
      burstWhenBatchFull: true,
      pollingIntervalSeconds: 0.5,
      notifyPollingIntervalSeconds: 0.5,
    };
    await boss.work(QUEUE, options, async (jobs) => {
      for (const job of jobs) seen(job.data);
    });
    await stopped();
    await boss.stop({ graceful: true, timeout: 5000 });
  },

  async enqueue(connectionString) {
    const boss = await start(connectionString, { migrate: false });
    await enqueueing(
      (n) => boss.send(QUEUE, { n }),
      (count) => boss.insert(QUEUE, batch(count)),
    );
    await boss.stop({ graceful: false });
  },
});
