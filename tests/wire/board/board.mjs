// bull-board on the queues that are named: board.mjs SOCKET PREFIX QUEUE...
// Prints its address and ends with its input.
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import { Queue } from 'bullmq';
import express from 'express';

const [path, prefix, ...names] = process.argv.slice(2);
const queues = names.map((name) => new Queue(name, { connection: { path }, prefix }));
const serverAdapter = new ExpressAdapter();
createBullBoard({ queues: queues.map((queue) => new BullMQAdapter(queue)), serverAdapter });

const server = express()
  .use(serverAdapter.getRouter())
  .listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));

process.stdin.resume();
process.stdin.on('close', async () => {
  await Promise.allSettled(queues.map((queue) => queue.close()));
  process.exit(0);
});
