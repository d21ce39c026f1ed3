import type { Question } from '../question.js';
import { batches } from './batches.js';
import { dumps } from './dumps.js';
import { headOfLine } from './head-of-line.js';
import { latency } from './latency.js';
import { medium } from './medium.js';
import { memory } from './memory.js';
import { pipelining } from './pipelining.js';
import { small } from './small.js';
import { startUp } from './start-up.js';
import { upstream } from './upstream.js';

/** All questions, in the order of the report. */
export const questions: readonly Question[] = [
  small,
  medium,
  pipelining,
  batches,
  latency,
  dumps,
  headOfLine,
  memory,
  startUp,
  upstream,
];
