/** Media types of calls. */
export const mediaTypes: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'application/json-rpc',
  'application/jsonrpc',
]);
