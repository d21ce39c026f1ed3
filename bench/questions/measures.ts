// Measurements that several questions make.
import { runWrk, type WrkLoad } from '../load/wrk.js';
import type { Command } from '../peers/peer.js';
import type { RunningPeer, Sample } from '../question.js';

const megabyte = 1e6;

/** Rate, latency and processor time of a closed loop. */
export async function closedLoop(peer: RunningPeer, command: Command, load: WrkLoad): Promise<Sample> {
  const before = peer.usage();
  const { rate, p50, p99, max, requests } = await runWrk(peer.port, peer.call(command), load);
  const after = peer.usage();
  const cpu = ((after.processor - before.processor) / requests) * 1e6;
  return { rate, p50, p99, max, cpu, peak: after.peak / megabyte };
}
