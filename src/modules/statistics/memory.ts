import { dumpsOpen } from '../../mi/record-table.js';
import type { Statistics } from '../../mi/statistics.js';

/** Group `mem`: bytes that the process holds, of which one reading serves all, and dumps of its record tables. */
export function addMemoryStatistics(statistics: Statistics): void {
  let usage = process.memoryUsage();
  let readAt = performance.now();
  const read = (): NodeJS.MemoryUsage => {
    // Reading takes 20 to 50 microseconds: once per reply, not once per statistic.
    if (performance.now() - readAt > 1) {
      usage = process.memoryUsage();
      readAt = performance.now();
    }
    return usage;
  };
  statistics.add('mem', 'resident', 'computed', () => read().rss);
  statistics.add('mem', 'heap_used', 'computed', () => read().heapUsed);
  statistics.add('mem', 'heap_total', 'computed', () => read().heapTotal);
  statistics.add('mem', 'native', 'computed', () => read().external);
  statistics.add('mem', 'dumps_open', 'computed', dumpsOpen);
}
