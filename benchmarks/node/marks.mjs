// The counter of `benchmarks/marks.py`, for Node: the same file, written every few milliseconds, since
// Node cannot map a file. The instant in it is exact all the same.
import { openSync, writeSync } from 'node:fs';

const FOLDER = process.env.BENCH_MARKS;
const record = new BigUint64Array(2);
let count = 0;
let last = 0n;
let written = -1;
let file;
let pickups;

export function mark() {
  if (file === undefined) {
    file = openSync(`${FOLDER}/${process.pid}.count`, 'w');
    setInterval(write, 2);
  }
  count += 1;
  last = process.hrtime.bigint();
}

export function markPickup(addedNs) {
  const took = process.hrtime.bigint() - BigInt(addedNs);
  pickups ??= openSync(`${FOLDER}/${process.pid}.pickups`, 'w');
  writeSync(pickups, new Uint8Array(BigInt64Array.of(took).buffer));
  mark();
}

function write() {
  if (count === written) return;
  record[0] = BigInt(count);
  record[1] = last;
  writeSync(file, new Uint8Array(record.buffer), 0, 16, 0);
  written = count;
}
