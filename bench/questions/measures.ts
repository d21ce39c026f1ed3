// Measurements that several questions make.
import { runWrk, type WrkLoad } from '../load/wrk.js';
import type { Command } from '../peers/peer.js';
import type { RunningPeer, Sample } from '../question.js';

const megabyte = 1e6;

/** Rate, latency and processor time of a closed loop. Of requests in one write wrk times the whole write, which is no latency. */
export async function closedLoop(peer: RunningPeer, command: Command, load: WrkLoad): Promise<Sample> {
  const before = peer.usage();
  const { rate, p50, p99, max, requests } = await runWrk(peer.port, peer.call(command), load);
  const after = peer.usage();
  const perRequest = (seconds: number): number => (seconds / requests) * 1e6;
  const cpu = perRequest(after.processor - before.processor);
  const peak = after.peak / megabyte;
  return load.pipelined === undefined
    ? { rate, p50, p99, max, cpu, peak }
    : { rate, cpu, userCpu: perRequest(after.user - before.user), peak };
}
