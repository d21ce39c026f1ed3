const number = /^[ \t]*(?:(?:0?\.[0-9]+|0\.?)|1(?:\.0*)?)[ \t]*$/;

/**
 * Reads a q as texts have it: blanks around 0 to 1 with decimals (RFC 3261 §25.1, and as many decimals as one likes).
 *
 * @returns undefined for anything else
 */
export function parseQ(text: string): number | undefined {
  return number.test(text) ? Number(text) : undefined;
}

/** How a q is shown, with three decimals at most; '' for unset. */
export function printQ(q: number | undefined): string {
  // The smallest step above the fraction's binary form: 0.29 times 1000 is 290 only nearly.
  return q === undefined ? '' : String(Math.floor(q * 1000 + 1e-6) / 1000);
}

/** Thousandths of a q as it is shown; -1 for unset, which comes last. */
export function qRank(shown: string): number {
  return shown === '' ? -1 : Math.round(Number(shown) * 1000);
}
