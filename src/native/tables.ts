import { addon } from './addon.js';

export type { NativeRecordTable } from './addon.js';

export const { recordTable: openRecordTable, dumpsOpen } = addon;
