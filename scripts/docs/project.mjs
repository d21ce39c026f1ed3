// The parts of the project that the pages of docs/reference tell of, straight from its source.
import { pathToFileURL } from 'node:url';
import { bundleText } from '../bundle.mjs';

const exports = `
  export { usage } from '#src/cli/serve.js';
  export { passwdUsage, tokenUsage } from '#src/cli/accounts.js';
  export { dumpUsage } from '#src/cli/dump.js';
  export { loadUsage } from '#src/cli/load.js';
  export { codes, MiError } from '#src/mi/errors.js';
  export { refusalBody } from '#src/gateway/jsonrpc-refusal.js';
  export { createServer, defineModule } from '#src/index.js';
  export { loadableModules } from '#src/modules/index.js';
`;

/** The parts of the project that the pages are made from. */
export function loadProject() {
  return import(pathToFileURL(bundleText(exports)).href);
}
