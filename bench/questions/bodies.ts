import { plain, type Question } from '../question.js';
import { closedLoop } from './measures.js';

/** The last one is the longest that mi-httpd takes by default. */
const kibibytes = [1, 16, 64, 256];

export const bodies: Question = {
  name: 'bodies',
  title: 'Long requests',
  method:
    'A command that takes a text and tells its length, in a closed loop on 4 connections, by the length of the whole body. ' +
    'The constant reply of the engine comes after a body that nobody looked at. Of OpenSIPS `get_statistics` is asked, with ' +
    'a name as long beside another.',
  chart: 'cpu',
  cases: ({ quick, seconds }) =>
    (quick ? kibibytes.slice(-1) : kibibytes).map((size) => ({
      name: `${size} KiB`,
      command: 'measure',
      amount: size * 1024,
      need: plain,
      rounds: 3,
      measure: (peer) => closedLoop(peer, 'measure', { connections: 4, seconds, amount: size * 1024 }),
    })),
};
