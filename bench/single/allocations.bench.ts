// Garbage of a small call. npm run bench -- allocations [SECONDS]: bytes allocated on the JavaScript heap
// for each call of `version`, by function, sampled by V8 with what was collected meanwhile; beside the same of the bare engine,
// whose handler makes nothing but what the engine makes for it.
import { type HeapProfiler, Session } from 'node:inspector';
import { createServer } from 'mi-httpd';
import { loadUws } from '#src/http/engine/uws/loader.js';
import { buildClient, callBySchedule } from '../load/client.js';
import { miCall } from '../peers/peer.js';

const seconds = Number(process.argv[2] ?? 3);
const rate = 20_000;
const connections = 16;
/** Bytes between two samples, on average. */
const samplingInterval = 512;
const shown = 8;

interface Subject {
  readonly name: string;
  readonly port: number;
  close(): void;
}

buildClient();
for (const subject of [await serveBare(), await serveOurs()]) {
  await profile(subject);
  subject.close();
}

async function serveOurs(): Promise<Subject> {
  const server = await createServer({ httpd: { ip: '127.0.0.1', port: 0 } }).start();
  return { name: 'mi-httpd', port: server.port, close: () => void server.close() };
}

async function serveBare(): Promise<Subject> {
  const { uws } = await loadUws();
  const app = uws.App();
  const nothing = (): void => {};
  app.post('/mi', (response) => {
    response.onAborted(nothing);
    // The engine wants a function for each response, since it does not tell which one a piece is of.
    response.onData((_piece, isLast) => {
      if (isLast)
        response.writeHeader('Content-Type', 'application/json').end('{"jsonrpc":"2.0","result":"OK","id":1}');
    });
  });
  const listening = new Promise<number>((resolve) => {
    app.listen('127.0.0.1', 0, 0, (socket) => resolve(socket === false ? 0 : uws.us_socket_local_port(socket)));
  });
  return { name: 'bare uWebSockets.js', port: await listening, close: () => void app.close() };
}

async function profile({ name, port }: Subject): Promise<void> {
  const load = { rate, connections, seconds };
  // First what is made once.
  await callBySchedule(port, miCall('version'), load);
  const session = new Session();
  session.connect();
  const begun = new Promise((resolve) => {
    session.post(
      'HeapProfiler.startSampling',
      { samplingInterval, includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true } as object,
      resolve,
    );
  });
  await begun;
  await callBySchedule(port, miCall('version'), load);
  const profiled = await new Promise<HeapProfiler.SamplingHeapProfile>((resolve, reject) => {
    session.post('HeapProfiler.stopSampling', (error, result) => {
      if (error === null) resolve(result.profile);
      else reject(error);
    });
  });
  session.disconnect();
  report(name, profiled, rate * seconds);
}

function report(name: string, { head }: HeapProfiler.SamplingHeapProfile, calls: number): void {
  const bytes = new Map<string, number>();
  const add = ({ callFrame, selfSize, children }: HeapProfiler.SamplingHeapProfileNode): void => {
    const file = callFrame.url.split('/').slice(-2).join('/');
    const place = `${callFrame.functionName || '(anonymous)'} ${file}`;
    bytes.set(place, (bytes.get(place) ?? 0) + selfSize);
    children.forEach(add);
  };
  add(head);
  const sorted = [...bytes].sort(([, a], [, b]) => b - a);
  const sum = sorted.reduce((total, [, size]) => total + size, 0);
  process.stdout.write(`${name}: ${(sum / calls).toFixed(0)} bytes for each of ${calls} calls\n`);
  for (const [place, size] of sorted.slice(0, shown)) {
    process.stdout.write(`${(size / calls).toFixed(1).padStart(10)}  ${place}\n`);
  }
}
