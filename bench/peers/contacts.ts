// The contacts that every peer has, so that dumps are equally long; libmicrohttpd/commands.c makes the same.
import { Readable } from 'node:stream';
import type { Domain } from 'mi-httpd';

/** Seconds that every contact has left at the start. */
export const contactExpires = 3600;

/** The fields of a contact, by its number. */
export interface SampleContact {
  readonly aor: string;
  readonly uri: string;
  readonly id: string;
  readonly callId: string;
}

/** As scattered as those of a server, so that dumps compress alike. */
const step = 0x9e3779b97f4a7c15n;

export function sampleContact(number: number): SampleContact {
  const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  return {
    aor: `subscriber${number}`,
    uri: `sip:subscriber${number}@${address}:5060;transport=udp`,
    id: String((BigInt(number + 1) * step) & 0x7fffffffffffffffn),
    callId: `${number.toString(16).padStart(16, '0')}@10.0.0.1`,
  };
}

/** Saves them in a server of this process. */
export function saveContacts(domain: Domain, count: number): void {
  for (let number = 0; number < count; number++) {
    const { aor, uri, callId } = sampleContact(number);
    const known = { q: 0.5, callId, cseq: 17, userAgent: 'Example Phone 4.2.1' };
    domain.save(`${aor}@sip.example.com`, { contact: uri, expires: contactExpires, ...known });
  }
}

/** The contacts as lines for `mi-httpd load`. */
export function contactLines(count: number): Readable {
  function* lines(): Generator<string> {
    const linesAtOnce = 1000;
    for (let begin = 0; begin < count; begin += linesAtOnce) {
      let text = '';
      for (let number = begin; number < Math.min(count, begin + linesAtOnce); number++) {
        const { aor, uri, callId } = sampleContact(number);
        const contact = {
          aor: `${aor}@sip.example.com`,
          contact: uri,
          expires: contactExpires,
          q: 0.5,
          callid: callId,
          cseq: 17,
          user_agent: 'Example Phone 4.2.1',
        };
        text += `${JSON.stringify(contact)}\n`;
      }
      yield text;
    }
  }
  return Readable.from(lines(), { objectMode: false });
}
