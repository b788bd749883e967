// BullMQ for Node: answers the requests of `benchmarks/serving.py`, with the same loops.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { FlowProducer, Queue } from 'bullmq';

const DATA = { user: 'u1', shard: 1 };
const USERS = 1000;
const SHARDS = 10;
const AT_ONCE = 100;
const BULK = 1000;
const PRIORITIES = 10;
const WORKER = [process.execPath, fileURLToPath(new URL('worker.mjs', import.meta.url))];
const RETRY = { retry: { attempts: 2 } };

const { hostname: host, port } = new URL(process.env.BENCH_URL);
const connection = { host, port: Number(port) };
const queue = new Queue('bench', { connection });
const flows = new FlowProducer({ connection });

const add = (job, data = DATA, options = {}) =>
  queue.add(job, data, { ...RETRY[job], ...options });

const makeData = (n) => ({ user: `u${n % USERS}`, shard: n % SHARDS });

const addMany = (job, rows) =>
  queue.addBulk(rows.map((data) => ({ name: job, data, opts: RETRY[job] })));

const times = (count, make) => Promise.all(Array.from({ length: count }, make));

const cut = (count, size) =>
  Array.from({ length: Math.ceil(count / size) }, (_, part) =>
    Array.from({ length: Math.min(size, count - part * size) }, (_, n) => part * size + n),
  );

const ways = {
  async: async () => (await add('noop'), 1),
  concurrent: async () => (await times(AT_ONCE, () => add('noop')), AT_ONCE),
  bulk: async () => (await addMany('noop', Array(BULK).fill(DATA)), BULK),
};

function startFlow(children) {
  const shared = { queueName: 'bench', data: DATA };
  const child = { name: 'child', ...shared };
  return flows.add({ name: 'parent', ...shared, children: Array(children).fill(child) });
}

const requests = {
  describe: () => ({
    version: createRequire(import.meta.url)('bullmq/package.json').version,
    can: ['async', 'bulk', 'retry', 'delay', 'priority', 'flow', 'many-queues'],
    pace: 15000,
  }),
  reset: () => null,
  build_workers: ({ processes }) => Array(processes).fill(WORKER),
  build_idle_workers: ({ queues }) => [[...WORKER, String(queues)]],
  async fill({ job, count, prioritized, delay_ms: delay }) {
    if (!prioritized && !delay) {
      for (const some of cut(count, BULK)) await addMany(job, some.map(makeData));
      return;
    }
    for (const some of cut(count, AT_ONCE)) {
      await Promise.all(
        some.map((n) => {
          const priority = prioritized ? 1 + Math.floor(Math.random() * PRIORITIES) : undefined;
          return add(job, makeData(n), { priority, delay });
        }),
      );
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
  add_pickup: async () => {
    await add('pickup', { ...DATA, added_ns: Number(process.hrtime.bigint()) });
  },
  async start_flows({ count, children, at_once: atOnce }) {
    const start = process.hrtime.bigint();
    for (const some of cut(count, atOnce)) await Promise.all(some.map(() => startFlow(children)));
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
