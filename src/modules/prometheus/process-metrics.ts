import { readdirSync, statSync } from 'node:fs';
import { openFilesLimit } from '../../http/limits/open-files.js';
import type { ServingThread } from '../../http/threads/faces.js';
import type { Metric } from './families.js';
import type { Labels } from './label-rules.js';
import { LoopDelay } from './loop-delay.js';

/** A metric of the process, under the name that exporters have for it. */
export interface ProcessMetric extends Metric {
  readonly labels: Labels;
  /** The statistic of group `mem` that has its value; left out: the value is read by {@link ProcessMetrics.read}. */
  readonly statistic?: string;
}

/** Milliseconds that a count of descriptors serves where each one has to be seen. */
const countAge = 5000;

const descriptors = '/proc/self/fd';

/** What is told of each thread that has listeners, and how its value is read. */
const ofThreads: readonly (readonly [name: string, help: string, read: (thread: ServingThread) => number])[] = [
  ['mi_httpd_thread_serving', '1 while the thread serves, 0 when it is lost.', ({ isServing }) => (isServing ? 1 : 0)],
  ['mi_httpd_thread_connections', 'Open connections of the thread.', ({ connections }) => connections],
  [
    'mi_httpd_thread_requests',
    'Requests of the thread that another one serves, and whose reply has not ended.',
    ({ exchanges }) => exchanges,
  ],
];

/** The metrics of this process, and their values. */
export class ProcessMetrics {
  readonly #delay = new LoopDelay();
  #open = Number.NaN;
  #countedAt = Number.NEGATIVE_INFINITY;
  readonly #hasDescriptors = process.platform === 'linux';
  readonly #limit = openFilesLimit();
  /** All of them; those that are read come first. */
  readonly all: readonly ProcessMetric[];
  /** How many are read. */
  readonly count: number;

  readonly #threads: () => readonly ServingThread[];
  /** Where the values of threads begin. */
  readonly #firstOfThreads: number;

  /**
   * @param version of this software
   * @param most threads that have listeners, where there are any
   * @param threads those that there are
   */
  constructor(version: string, most = 0, threads: () => readonly ServingThread[] = () => []) {
    this.#threads = threads;
    const gauge = (name: string, unit: string | undefined, help: string): ProcessMetric => ({
      name,
      type: 'gauge',
      unit,
      help,
      labels: [],
    });
    const ofProcess: readonly ProcessMetric[] = [
      {
        name: 'process_cpu_seconds_total',
        type: 'counter',
        unit: 'seconds',
        help: 'Processor time of the process, by user and system.',
        labels: [],
      },
      gauge('process_start_time_seconds', 'seconds', 'When the process was started, since 1970.'),
      gauge('nodejs_eventloop_lag_seconds', 'seconds', 'Mean delay of the event loop since the last scrapes.'),
      gauge('nodejs_eventloop_lag_max_seconds', 'seconds', 'Longest delay of the event loop since the last scrapes.'),
      {
        ...gauge('nodejs_version_info', undefined, 'Version of Node.js.'),
        labels: [['version', process.version]],
      },
      { ...gauge('mi_httpd_build_info', undefined, 'Version of mi-httpd.'), labels: [['version', version]] },
      ...(this.#hasDescriptors
        ? [
            gauge('process_open_fds', undefined, 'Open file descriptors.'),
            gauge('process_max_fds', undefined, 'File descriptors that may be open.'),
          ]
        : []),
    ];
    this.#firstOfThreads = ofProcess.length;
    const numbers = Array.from({ length: most }, (_, index) => String(index + 1));
    const read = [
      ...ofProcess,
      ...ofThreads.flatMap(([name, help]) =>
        numbers.map((number) => ({ ...gauge(name, undefined, help), labels: [['thread', number] as const] })),
      ),
    ];
    this.count = read.length;
    this.all = [
      ...read,
      {
        ...gauge('process_resident_memory_bytes', 'bytes', 'Resident memory of the process.'),
        statistic: 'resident',
      },
      { ...gauge('nodejs_heap_size_total_bytes', 'bytes', 'Memory of the heap of V8.'), statistic: 'heap_total' },
      {
        ...gauge('nodejs_heap_size_used_bytes', 'bytes', 'Memory that objects use in the heap of V8.'),
        statistic: 'heap_used',
      },
      {
        ...gauge('nodejs_external_memory_bytes', 'bytes', 'Memory outside of the heap that V8 knows of.'),
        statistic: 'native',
      },
    ];
  }

  start(): void {
    this.#delay.start();
  }

  stop(): void {
    this.#delay.stop();
  }

  /** Writes the values of those that are read, in their order. */
  read(values: Float64Array): void {
    const { user, system } = process.cpuUsage();
    values[0] = (user + system) / 1e6;
    values[1] = performance.timeOrigin / 1000;
    const { mean, most } = this.#delay.read();
    values[2] = mean;
    values[3] = most;
    values[4] = 1;
    values[5] = 1;
    if (this.#hasDescriptors) {
      values[6] = this.#openDescriptors();
      values[7] = this.#limit;
    }
    const threads = this.#threads();
    let place = this.#firstOfThreads;
    const mostThreads = (this.count - place) / ofThreads.length;
    for (const [, , readOne] of ofThreads) {
      for (let index = 0; index < mostThreads; index++) {
        const thread = threads[index];
        values[place] = thread === undefined ? 0 : readOne(thread);
        place += 1;
      }
    }
  }

  #openDescriptors(): number {
    try {
      // Since Linux 6.2 the directory tells how many there are.
      const { size } = statSync(descriptors);
      if (size > 0) return size;
      const now = performance.now();
      if (now - this.#countedAt >= countAge) {
        // Without the one that reads.
        this.#open = readdirSync(descriptors).length - 1;
        this.#countedAt = now;
      }
      return this.#open;
    } catch {
      return Number.NaN;
    }
  }
}
