// BullMQ for Node, driven by the wire tests: one JSON line in, one JSON line out. The third argument
// is the package: `bullmq`, or `bullmq5` for the version before.
//
// In:  {"id": 1, "code": "return (await queue('orders').add('sync', args.data)).id", "args": {...}}
// Out: {"id": 1, "value": ...} or {"id": 1, "error": "..."}
//
// The code runs as the body of an async function that knows `args`, `kept` (an object that stays),
// BullMQ's classes, and the makers below, whose objects are closed at the end of the process.
import { createInterface } from 'node:readline';

const [path, prefix, library = 'bullmq'] = process.argv.slice(2);
const bullmq = await import(library);
const connection = { path, maxRetriesPerRequest: null };
const kept = {};
const made = new Map();
const closing = [];

function make(kind, name, create) {
  const key = `${kind}:${name}`;
  if (!made.has(key)) {
    const object = create();
    object.on?.('error', (error) => process.stderr.write(`${kind} ${name}: ${error.stack}\n`));
    made.set(key, object);
    closing.push(object);
  }
  return made.get(key);
}

const makers = {
  queue: (name) => make('queue', name, () => new bullmq.Queue(name, { connection, prefix })),
  events: (name) =>
    make('events', name, () => new bullmq.QueueEvents(name, { connection, prefix, lastEventId: '0-0' })),
  flows: () => make('flows', '', () => new bullmq.FlowProducer({ connection, prefix })),
  worker(name, processor, options = {}) {
    const worker = new bullmq.Worker(name, processor, { connection, prefix, ...options });
    worker.on('error', (error) => process.stderr.write(`worker ${name}: ${error.stack}\n`));
    closing.push(worker);
    return worker;
  },
};

const known = { kept, ...bullmq, ...makers };
const names = Object.keys(known).filter((name) => /^[A-Za-z]\w*$/.test(name) && name !== 'default');
const values = names.map((name) => known[name]);
const AsyncFunction = (async () => {}).constructor;

async function answer(line) {
  const { id, code, args } = JSON.parse(line);
  try {
    const value = await new AsyncFunction('args', ...names, code)(args, ...values);
    process.stdout.write(JSON.stringify({ id, value: value ?? null }) + '\n');
  } catch (error) {
    process.stdout.write(JSON.stringify({ id, error: String(error?.stack ?? error) }) + '\n');
  }
}

const lines = createInterface({ input: process.stdin });
lines.on('line', answer);
lines.on('close', async () => {
  await Promise.allSettled(closing.map((object) => object.close(true)));
  process.exit(0);
});
