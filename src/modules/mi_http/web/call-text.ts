import type { Submitted } from './arguments.js';

/** Longest request that is offered to copy: shells and terminals take no more. */
const longestCall = 16384;

/**
 * The JSON-RPC request of a call. The page's script makes a line for a shell of it: the browser alone knows by which
 * scheme and name the server is reached, be it through a proxy.
 *
 * @returns undefined when it would be too long to copy
 */
export function callText(method: string, { given }: Submitted): string | undefined {
  const call = JSON.stringify({ jsonrpc: '2.0', method, params: given, id: 1 });
  return call.length > longestCall ? undefined : call;
}
