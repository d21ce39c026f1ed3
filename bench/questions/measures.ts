// Measurements that several questions make.
import { runWrk, type WrkLoad } from '../load/wrk.js';
import type { Command } from '../peers/peer.js';
import type { RunningPeer, Sample } from '../question.js';

const megabyte = 1e6;

interface ClosedLoop extends WrkLoad {
  /** Calls of a batch, or bytes of a body. */
  readonly amount?: number;
}

/** Rate, latency and processor time of a closed loop. Of requests in one write wrk times the whole write, which is no latency. */
export async function closedLoop(peer: RunningPeer, command: Command, load: ClosedLoop): Promise<Sample> {
  const before = peer.usage();
  const { rate, p50, p99, max, requests, bytes } = await runWrk(peer.port, peer.call(command, load.amount), load);
  const after = peer.usage();
  const perRequest = (seconds: number): number => (seconds / requests) * 1e6;
  const cpu = perRequest(after.processor - before.processor);
  const peak = after.peak / megabyte;
  if (load.pipelined !== undefined) {
    return { rate, cpu, userCpu: perRequest(after.user - before.user), peak };
  }
  if (command === 'batch') {
    const { amount = 1 } = load;
    return { calls: rate * amount, p50, p99, max, cpuCall: cpu / amount, peak };
  }
  return { rate, p50, p99, max, cpu, ...(load.coding === undefined ? {} : { sent: bytes / requests / 1e3 }), peak };
}
