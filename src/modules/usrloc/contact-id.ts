import { randomInt } from 'node:crypto';

const labelBits = 14n;
const recordBits = 46n;
const labels = 2 ** 14;

/** Most contacts of one address of record: changing one encodes all of them again. */
export const maxContacts = 128;

/**
 * Gives contacts their ids: bits 0 to 13 tell the contacts of a record apart, 14 to 45 the records, 46 to 61 are a
 * hash of the address of record. Ids begin somewhere, so that those of another run are hardly met again.
 */
export class ContactIds {
  #label = randomInt(labels);
  #record = randomInt(2 ** 32);

  /** An id for a contact of a record that has none yet. */
  first(aor: string): string {
    this.#record = (this.#record + 1) >>> 0;
    return this.#compose((BigInt(hash16(aor)) << 32n) | BigInt(this.#record));
  }

  /** An id for another contact of the record that has the `taken` ones, of which there is one at least. */
  next(taken: readonly string[]): string {
    const record = BigInt(taken[0] ?? 0) >> labelBits;
    const ids = new Set(taken);
    for (;;) {
      const id = this.#compose(record);
      if (!ids.has(id)) return id;
    }
  }

  #compose(record: bigint): string {
    this.#label = (this.#label + 1) % labels;
    return BigInt.asUintN(Number(recordBits) + 16, (record << labelBits) | BigInt(this.#label)).toString();
  }
}

/** FNV-1a, folded to 16 bits. */
function hash16(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return ((hash >>> 16) ^ hash) & 0xffff;
}
