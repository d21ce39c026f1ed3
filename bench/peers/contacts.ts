// The contacts that every peer has, so that dumps are equally long; libmicrohttpd/commands.c makes the same.
import { Readable } from 'node:stream';

/** Seconds that every contact has left at the start. */
export const contactExpires = 3600;

/** The fields of a contact, by its number. */
export interface SampleContact {
  readonly aor: string;
  readonly uri: string;
  readonly id: string;
  readonly callId: string;
}

const firstId = 2680056593294939059n;

export function sampleContact(number: number): SampleContact {
  const address = `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
  return {
    aor: `subscriber${number}`,
    uri: `sip:subscriber${number}@${address}:5060;transport=udp`,
    id: String(firstId + BigInt(number)),
    callId: `${number.toString(16).padStart(16, '0')}@10.0.0.1`,
  };
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
