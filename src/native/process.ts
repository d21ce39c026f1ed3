import { addon } from './addon.js';

export type { StandardOutput } from './addon.js';

export const { firstHeadLimit, notifyService, standardOutput: openStandardOutput } = addon;

/** Address of the first byte of a buffer; only for comparing the places of buffers. */
export const { memoryAddress } = addon.addresses();
