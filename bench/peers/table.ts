import { bareUws, constantUws, fastify, nodeHttp } from './by-hand.js';
import { fleetPeer } from './fleet.js';
import { front, nginxFront } from './front.js';
import { kamailio } from './kamailio.js';
import { libmicrohttpd } from './libmicrohttpd.js';
import { miHttpd } from './mi-httpd.js';
import { nginx } from './nginx.js';
import type { Peer } from './peer.js';

/** The peer that the others are compared with. */
export const baseline = libmicrohttpd.name;

/** Peers that do the same for each request: by how steady they are, a machine is known to be quiet. */
export const constants: readonly Peer[] = [constantUws, nginx];

/** All that can be started, in the order of the tables. */
export const peers: readonly Peer[] = [
  ...[miHttpd, libmicrohttpd, kamailio, bareUws, nodeHttp, fastify, constantUws, nginx],
  ...[front, nginxFront, fleetPeer],
];
