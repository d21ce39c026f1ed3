import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { bundleText } from '../../scripts/bundle.mjs';

/**
 * Runs a function in several threads, which all begin at once.
 *
 * @param imports what the text of the function needs of `#src/`
 * @param work text of a function that is given `data` and the number of its thread, from 1 on
 * @returns what each of them gave
 */
export function inThreads<T>(count: number, imports: string, work: string, data: unknown): Promise<readonly T[]> {
  const script = bundleText(`
    import { parentPort, workerData } from 'node:worker_threads';
    ${imports}
    const { count, data, gate, thread } = workerData;
    Atomics.add(gate, 0, 1);
    Atomics.notify(gate, 0);
    for (let there = Atomics.load(gate, 0); there < count; there = Atomics.load(gate, 0)) Atomics.wait(gate, 0, there);
    parentPort.postMessage((${work})(data, thread));
  `);
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const all = Array.from({ length: count }, async (_, index): Promise<T> => {
    const worker = new Worker(script, { workerData: { count, data, gate, thread: index + 1 } });
    const [message] = await once(worker, 'message');
    return message as T;
  });
  return Promise.all(all);
}
