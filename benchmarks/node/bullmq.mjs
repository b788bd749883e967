// BullMQ for Node: answers the requests of `benchmarks/serving.py`, with the same loops.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { FlowProducer, Queue } from 'bullmq';

const DATA = { user: 'u1' };
const AT_ONCE = 100;
const BULK = 1000;
const PRIORITIES = 10;
// As Toril's defaults keep them.
const KEEP = { removeOnComplete: { count: 1000 }, removeOnFail: { count: 10000 } };
const RETRY = { retry: { attempts: 2 } };

const { hostname: host, port } = new URL(process.env.BENCH_URL);
const connection = { host, port: Number(port) };
const queue = new Queue('bench', { connection, defaultJobOptions: KEEP });
const flows = new FlowProducer({ connection });

const add = (job, data = DATA, options = {}) =>
  queue.add(job, data, { ...RETRY[job], ...options });

const addMany = (job, count) =>
  queue.addBulk(Array.from({ length: count }, () => ({ name: job, data: DATA, opts: RETRY[job] })));

const times = (count, make) => Promise.all(Array.from({ length: count }, make));

const ways = {
  async: async () => (await add('noop'), 1),
  concurrent: async () => (await times(AT_ONCE, () => add('noop')), AT_ONCE),
  bulk: async () => (await addMany('noop', BULK), BULK),
};

function runFlow(children) {
  const shared = { queueName: 'bench', data: DATA, opts: KEEP };
  const child = { name: 'child', ...shared };
  return flows.add({ name: 'parent', ...shared, children: Array(children).fill(child) });
}

const requests = {
  describe: () => ({
    version: createRequire(import.meta.url)('bullmq/package.json').version,
    can: ['async', 'bulk', 'retry', 'delay', 'priority', 'flow'],
    pace: 15000,
  }),
  reset: () => null,
  build_workers: ({ processes }) =>
    Array(processes).fill([process.execPath, fileURLToPath(new URL('worker.mjs', import.meta.url))]),
  async fill({ job, count, prioritized, delay_ms: delay }) {
    if (!prioritized && !delay) {
      for (let first = 0; first < count; first += BULK) await addMany(job, Math.min(BULK, count - first));
      return;
    }
    for (let first = 0; first < count; first += AT_ONCE) {
      await times(Math.min(AT_ONCE, count - first), () => {
        const priority = prioritized ? 1 + Math.floor(Math.random() * PRIORITIES) : undefined;
        return add(job, DATA, { priority, delay });
      });
    }
  },
  async time_adds({ way, seconds }) {
    for (let n = 0; n < 3; n += 1) await ways[way]();
    const start = performance.now();
    let count = 0;
    let took = 0;
    while ((took = (performance.now() - start) / 1000) < seconds) count += await ways[way]();
    return { count, seconds: took };
  },
  async pace_adds({ count, pause_ms: pause }) {
    for (let n = 0; n < count; n += 1) {
      await wait(pause * (0.5 + Math.random()));
      await add('pickup', { ...DATA, added_ns: Number(process.hrtime.bigint()) });
    }
  },
  async start_flows({ count, children, at_once: atOnce }) {
    const start = process.hrtime.bigint();
    for (let first = 0; first < count; first += atOnce) {
      await times(Math.min(atOnce, count - first), () => runFlow(children));
    }
    return { start_ns: Number(start) };
  },
};

await queue.waitUntilReady();
const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  const { ask, ...request } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await requests[ask](request)) ?? null };
  } catch (error) {
    answer = { error: error.stack };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
