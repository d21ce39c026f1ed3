/** Whether the counts are the long ones, of `npm run test:long`. */
export const isLong = process.env.MI_HTTPD_LONG === '1';

/**
 * A count that `npm test` keeps short and `npm run test:long` does not: the files that import this are the ones that the
 * latter runs.
 */
export function count(short: number, long: number): number {
  return isLong ? long : short;
}
