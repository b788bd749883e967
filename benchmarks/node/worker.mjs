// A worker process of BullMQ for Node: `node worker.mjs [QUEUES]`, one Worker a queue.
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'bullmq';
import { mark, markPickup } from './marks.mjs';

const { hostname: host, port } = new URL(process.env.BENCH_URL);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };

async function runJob(job) {
  switch (job.name) {
    case 'sleep':
      await wait(10);
      return mark();
    case 'pickup':
      return markPickup(job.data.added_ns);
    case 'retry':
      mark();
      if (job.attemptsMade === 0) throw new Error('the first attempt fails');
      return undefined;
    case 'child':
      return undefined;
    default:
      return mark();
  }
}

// As Toril's defaults keep them; told to the worker, not with every job, which costs BullMQ memory.
const keep = { removeOnComplete: { count: 1000 }, removeOnFail: { count: 10000 } };
const concurrency = Number(process.env.BENCH_CONCURRENCY);
const queues = Number(process.argv[2] ?? 1);
for (let n = 0; n < queues; n += 1) {
  const name = n ? `bench-${n}` : 'bench';
  const worker = new Worker(name, runJob, { connection, concurrency, ...keep });
  worker.on('error', (error) => process.stderr.write(`${error.stack}\n`));
}
