/**
 * Which way a JSON-RPC reply is printed fastest, by the shape of its value.
 *
 * Run: `npm run bench -- reply-shapes`
 */
import { Bench } from 'tinybench';
import { StatisticsTable } from '#src/native/addon.js';
import { Reply } from '#src/native/layout.js';
import { ReplyWindow } from '#src/native/reply-window.js';
import { RequestScanner } from '#src/native/scanner.js';

const scanner = new RequestScanner(new Map([['version', 0]]), 100);
const window = new ReplyWindow(65536, false);
const pretty = new ReplyWindow(65536, true);
const scratch = Buffer.alloc(65536);
const encoder = new TextEncoder();
const body = Buffer.from('{"jsonrpc":"2.0","method":"version","params":{},"id":"12345"}');

const count = 300;
const names = Array.from({ length: count }, (_, index) => `core:statistic_number_${index}`);
const table = new StatisticsTable(count);
for (const [index, name] of names.entries()) table.values[table.add(name)] = index * 1009;
const selection = Uint32Array.from(names.keys());

const shapes: Record<string, unknown> = {
  '"OK"': 'OK',
  '3 fields': { Server: 'OpenSIPS (4.0.1 (x86_64/linux))', pid: 4711, up: true },
  '60 names': names.slice(0, 60),
  '10 KB object': Object.fromEntries(names.map((name, index) => [name, `value ${index}`])),
  '10 KB not ASCII': { text: 'xé✓'.repeat(1700) },
};

/** The work that the window saves: the reply as a string, the id as one too. */
function concatenate(text: string): Buffer {
  const { id } = JSON.parse(body.toString()) as { id: unknown };
  return Buffer.from(`{"jsonrpc":"2.0","result":${text},"id":${JSON.stringify(id)}}`);
}

function print(into: ReplyWindow, text: string): Uint8Array | undefined {
  scanner.scan(body);
  return into.print(scanner, Reply.result, text, scanner.idSlot);
}

function bench(name: string): Bench {
  return new Bench({ name, time: 400, warmupTime: 100 });
}

async function report(bench: Bench): Promise<void> {
  await bench.run();
  process.stdout.write(`\n${bench.name}\n`);
  for (const { name, result } of bench.tasks) {
    const nanoseconds = 'latency' in result ? (result.latency.p50 * 1e6).toFixed(0) : result.state;
    process.stdout.write(`${nanoseconds.padStart(8)} ns  ${name}\n`);
  }
}

for (const [shape, value] of Object.entries(shapes)) {
  const text = JSON.stringify(value);
  const encoded = scratch.subarray(26);
  await report(
    bench(`${shape}, ${Buffer.byteLength(text)} bytes`)
      .add('JSON.stringify', () => void JSON.stringify(value))
      .add('scan + print into the window', () => void print(window, text))
      .add('scan + print, indented', () => void print(pretty, text))
      .add('JSON.parse + concatenate + Buffer.from', () => void concatenate(text))
      .add('Buffer.write alone', () => void scratch.write(text, 26, 'utf8'))
      .add('TextEncoder.encodeInto alone', () => void encoder.encodeInto(text, encoded)),
  );
}

await report(
  bench(`${count} statistics, ${table.printText(selection).length} bytes`)
    .add('from the slots, in Rust', () => void window.printStatistics(scanner, table, selection, -1))
    .add('JSON.stringify of a built object + print', () => {
      const object = Object.fromEntries(names.map((name, index) => [name, table.values[index]]));
      window.print(scanner, Reply.result, JSON.stringify(object), -1);
    }),
);

await report(
  bench('the calls by themselves')
    .add('nothing', () => {})
    .add('scan + release', () => {
      scanner.scan(body);
      scanner.release(scanner.idSlot);
    })
    .add('idsHeld: an empty native call', () => void scanner.idsHeld)
    .add('Buffer.subarray', () => void scratch.subarray(0, 70))
    .add('new Uint8Array on memory', () => void new Uint8Array(scratch.buffer, 0, 70)),
);
