import type { EventParameters } from '../../mi/event-transport.js';

/** An event as a JSON-RPC 2.0 notification (§4.1), its members in the order of OpenSIPS. */
export function notification(method: string, params: EventParameters): string {
  return JSON.stringify({ jsonrpc: '2.0', method, params });
}
