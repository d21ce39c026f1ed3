import { bareUws, constantUws, fastify, nodeHttp } from './by-hand.js';
import { front, nginxFront } from './front.js';
import { kamailio } from './kamailio.js';
import { libmicrohttpd } from './libmicrohttpd.js';
import { miHttpd } from './mi-httpd.js';
import { nginx } from './nginx.js';
import type { Peer } from './peer.js';

/** The peer that the others are compared with. */
export const baseline = libmicrohttpd.name;

/** All that can be started, in the order of the tables. */
export const peers: readonly Peer[] = [
  ...[miHttpd, libmicrohttpd, kamailio, bareUws, nodeHttp, fastify, constantUws, nginx].map(alone),
  front,
  nginxFront,
];

/** A server by itself is in front of nothing; the baseline is what the others stand in front of. */
function alone(peer: Peer): Peer {
  if (peer === libmicrohttpd) return peer;
  return {
    ...peer,
    refuses: (command, need) => (command === 'upstream' ? 'it is in front of nothing' : peer.refuses(command, need)),
  };
}
