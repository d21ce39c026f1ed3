// The cost of a scrape. npm run bench -- metrics [SERIES]: processor time of the server for one page of that many series, 500
// unless told otherwise, within the process and over HTTP with one connection that stays.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, defineModule, type Statistics } from '#src/index.js';
import { ManagementInterface } from '#src/mi/management-interface.js';
import { CommandLatencies } from '#src/modules/prometheus/command-latencies.js';
import { MetricsPage } from '#src/modules/prometheus/metrics-page.js';
import { Naming } from '#src/modules/prometheus/naming.js';
import { ProcessMetrics } from '#src/modules/prometheus/process-metrics.js';

const wanted = Number(process.argv[2] ?? 500);
const scrapes = 5000;

const accepts = {
  'as OpenSIPS': '',
  text: 'text/plain;version=0.0.4',
  openmetrics: 'application/openmetrics-text;version=1.0.0',
} as const;

/** Waits for each reply before it sends the next request. */
const client = `
const [port, accept, count] = process.argv.slice(1);
const head = 'GET /metrics HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n' + (accept === '' ? '' : 'Accept: ' + accept + '\\r\\n') + '\\r\\n';
const socket = require('node:net').connect(Number(port), '127.0.0.1');
let left = Number(count), length = -1, got = 0, text = '';
const send = () => { length = -1; got = 0; text = ''; socket.write(head); };
socket.on('connect', send).on('data', (chunk) => {
  got += chunk.length;
  if (length < 0) {
    text += chunk.toString('latin1');
    const end = text.indexOf('\\r\\n\\r\\n');
    if (end < 0) return;
    length = end + 4 + Number(/content-length: (\\d+)/i.exec(text)[1]);
  }
  if (got < length) return;
  if (--left === 0) socket.end(); else send();
});
`;

let statistics: Statistics | undefined;
const filler = defineModule({
  name: 'filler',
  load: ({ mi }) => {
    statistics = mi.statistics;
    // What is there already: statistics of the server, two of each command, and the process.
    for (let n = 0; n < 400; n++) {
      mi.statistics.add('filler', `number_${n}`, 'counter', { help: 'One of many numbers.' }).add(n * 1000);
    }
  },
});

const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 }, prometheus: {}, modules: [filler] }).start();
const all = statistics?.all.map(({ name }) => name) ?? [];
await server.close();

const items = [...all.slice(0, wanted - 13), 'process:'];
const measured = await createServer({
  httpd: { ip: '127.0.0.1', port: 0 },
  prometheus: { statistics: [items.join(' ')] },
  modules: [filler],
}).start();

const naming = new Naming({
  prefix: 'opensips',
  delimiter: '_',
  groupPrefix: '',
  groupLabel: 'group',
  groupMode: 0,
  rules: [],
});
if (statistics === undefined) throw new Error('the module was not loaded');
const facts = new ProcessMetrics('0');
const page = new MetricsPage({
  naming,
  items,
  statistics,
  process: facts,
  latencies: new CommandLatencies(new ManagementInterface()),
  leftOut: () => {},
});
const lines = Buffer.from(page.print('plain', [])).toString().split('\n');
tell(`${lines.filter((line) => line !== '' && !line.startsWith('#')).length} series`);
for (const form of ['plain', 'text', 'openmetrics'] as const) {
  const bytes = page.print(form, []).length;
  const microseconds = await cpuOf(() => {
    for (let n = 0; n < scrapes; n++) page.print(form, []);
  });
  tell(`${microseconds.toFixed(1)} µs of CPU to print ${bytes} bytes, ${form}`);
}
for (const [name, accept] of Object.entries(accepts)) {
  await scrape(accept, 500);
  const microseconds = await cpuOf(() => scrape(accept, scrapes));
  tell(`${microseconds.toFixed(1)} µs of CPU for a scrape over HTTP, ${name}`);
}
await measured.close();

async function scrape(accept: string, count: number): Promise<void> {
  const child = spawn(process.execPath, ['-e', client, String(measured.port), accept, String(count)], {
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the client ended with ${code}`);
}

/** Microseconds of this process for each of the scrapes. */
async function cpuOf(run: () => void | Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / scrapes;
}

function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}
