/**
 * The cost of escaping a text for HTML and for JSON, in Rust and in JavaScript.
 *
 * Run: `npm run bench -- escaping`
 */
import { Bench } from 'tinybench';
import { escapeHtmlBytes } from '#src/native/addon.js';

const texts = {
  'plain, 10 KB': 'Example Phone 4.2.1 at 192.0.2.7:5060 '.repeat(270),
  'with a special character in each 10, 10 KB': 'Phone "4" <b>'.repeat(790),
  'not ASCII, 10 KB': 'xé✓'.repeat(1700),
};
const output = Buffer.alloc(1 << 18);
const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

for (const [name, text] of Object.entries(texts)) {
  const bytes = Buffer.from(text);
  const bench = new Bench({ name, time: 400, warmupTime: 100 })
    .add('HTML of bytes, in Rust', () => void escapeHtmlBytes(bytes, output))
    .add('HTML, replace with a function', () => void text.replace(/[&<>"']/g, (found) => entities[found] ?? found))
    .add('JSON.stringify', () => void JSON.stringify(text))
    .add('JSON.stringify + Buffer.write', () => void output.write(JSON.stringify(text), 0, 'utf8'));
  await bench.run();
  process.stdout.write(`\n${bench.name}\n`);
  for (const { name: task, result } of bench.tasks) {
    const nanoseconds = 'latency' in result ? (result.latency.p50 * 1e6).toFixed(0) : result.state;
    process.stdout.write(`${nanoseconds.padStart(8)} ns  ${task}\n`);
  }
}
