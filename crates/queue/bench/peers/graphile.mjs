// graphile-worker 0.18, set up as its page on performance says (https://worker.graphile.org/docs/performance, "With batching"):
// - localQueue 500: a process fetches up to 500 jobs at once and hands them to its `concurrentJobs` runners;
// - completeJobBatchDelay, failJobBatchDelay 0: completions of the same moment go to the database together;
// - refetchDelay 10 ms, from its own perfTest/graphile.config.js: how soon a short fetch is followed by another;
// - maxPoolSize concurrentJobs + 2, as https://worker.graphile.org/docs/config asks;
// - jobs are added by addJobs, many a call (https://worker.graphile.org/docs/library/add-jobs).
// It deletes a finished job and keeps no history. Crontab and logging are off.
import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker";
import { enqueueing, handled, lines, main, say, stopped } from "./worker.mjs";

const logger = new Logger(() => () => {});

main({
  async setup(connectionString) {
    await runMigrations({ connectionString, logger });
  },

  async fill(connectionString, count) {
    const utils = await makeWorkerUtils({ connectionString, logger });
    for (let left = Number(count); left > 0; left -= 5000) {
      await utils.addJobs(Array.from({ length: Math.min(left, 5000) }, () => ({ identifier: "noop", payload: { n: 0 } })));
    }
    await utils.release();
  },

  async worker(connectionString, concurrency) {
    const seen = handled();
    say("ready");
    await lines.next();
    const concurrentJobs = Number(concurrency);
    const runner = await run({
      taskList: { noop: seen },
      noHandleSignals: true,
      parsedCronItems: [],
      preset: {
        worker: {
          connectionString,
          logger,
          concurrentJobs,
          maxPoolSize: concurrentJobs + 2,
          localQueue: { size: 500, refetchDelay: { durationMs: 10 } },
          completeJobBatchDelay: 0,
          failJobBatchDelay: 0,
        },
      },
    });
    await stopped();
    await runner.stop();
  },

  async enqueue(connectionString) {
    const utils = await makeWorkerUtils({ connectionString, logger });
    await enqueueing(
      (n) => utils.addJob("noop", { n }),
      (count) => utils.addJobs(Array.from({ length: count }, () => ({ identifier: "noop", payload: { n: 0 } }))),
    );
    await utils.release();
  },
});
