import { addon } from './addon.js';

export type { StandardOutput } from './addon.js';

export const { firstHeadLimit, notifyService, standardOutput: openStandardOutput } = addon;

/** Where memory lies. Only good for telling what lies behind what. */
export const addressOf = addon.addresses().of;
