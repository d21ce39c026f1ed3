import type { Question } from '../question.js';
import { batches } from './batches.js';
import { bodies } from './bodies.js';
import { compression } from './compression.js';
import { dumps } from './dumps.js';
import { find } from './find.js';
import { fleet } from './fleet.js';
import { hangingNode } from './hanging-node.js';
import { headOfLine } from './head-of-line.js';
import { hostDelay } from './host-delay.js';
import { latency } from './latency.js';
import { medium } from './medium.js';
import { memory } from './memory.js';
import { mirror } from './mirror.js';
import { pipelining } from './pipelining.js';
import { small } from './small.js';
import { startUp } from './start-up.js';
import { upstream } from './upstream.js';
import { upstreamDump } from './upstream-dump.js';

/** All questions, in the order of the report. */
export const questions: readonly Question[] = [
  small,
  medium,
  pipelining,
  batches,
  bodies,
  latency,
  dumps,
  // The servers that dumps has started have its contacts.
  find,
  compression,
  headOfLine,
  hostDelay,
  memory,
  startUp,
  upstream,
  hangingNode,
  upstreamDump,
  mirror,
  fleet,
];
