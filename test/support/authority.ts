// CAs, certificates of clients and lists of revoked ones, put together byte by byte: with every name and time that a CA might sign.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { TlsFiles } from './tls-files.js';

/** One value of DER. */
export function der(tag: number, ...contents: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(contents.map((one) => (typeof one === 'string' ? Buffer.from(one) : one)));
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const digits = [first * 40 + second, ...rest].flatMap((number) => {
    const bytes = [number & 0x7f];
    for (let left = number >>> 7; left > 0; left >>>= 7) bytes.unshift((left & 0x7f) | 0x80);
    return bytes;
  });
  return der(0x06, Buffer.from(digits));
}

const types: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  C: '2.5.4.6',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  UID: '0.9.2342.19200300.100.1.1',
  emailAddress: '1.2.840.113549.1.9.1',
};

/** An attribute of a name, its value as UTF8String unless it is DER already. */
type Attribute = readonly [type: string, value: string | Buffer];

/** A name: each part is one attribute, or several. */
type TestName = readonly (Attribute | readonly Attribute[])[];

function isOne(part: TestName[number]): part is Attribute {
  return typeof part[0] === 'string';
}

function nameOf(parts: TestName): Buffer {
  return der(
    0x30,
    ...parts.map((part) => {
      const attributes = (isOne(part) ? [part] : part).map(([type, value]) =>
        der(0x30, oid(types[type] ?? type), typeof value === 'string' ? der(0x0c, value) : value),
      );
      return der(0x31, ...attributes.sort(Buffer.compare));
    }),
  );
}

function time(at: number): Buffer {
  return der(
    0x18,
    `${new Date(at)
      .toISOString()
      .replace(/[-:T]|\.\d+/g, '')
      .slice(0, 14)}Z`,
  );
}

const ecdsaWithSha256 = der(0x30, oid('1.2.840.10045.4.3.2'));

function pem(label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n').trimEnd()}\n-----END ${label}-----\n`;
}

const hour = 3_600_000;

/** What a certificate has. */
export interface Wanted {
  readonly subject?: TestName;
  /** General names: `[0x82, 'a.example.org']`. */
  readonly names?: readonly (readonly [tag: number, value: string | Buffer])[];
  /** Extensions besides, as DER. */
  readonly extensions?: readonly Buffer[];
  /** Key purposes; that of clients unless given. */
  readonly purposes?: readonly string[];
  readonly from?: number;
  readonly until?: number;
  /** What it says it is; plain: nothing. */
  readonly kind?: 'authority' | 'client' | 'plain';
}

/** A certificate with its key, for a client of TLS. */
export interface ClientFiles {
  readonly cert: string;
  readonly key: string;
  readonly serial: Buffer;
  readonly fingerprint: string;
}

const forClients = '1.3.6.1.5.5.7.3.2';
export const forServers = '1.3.6.1.5.5.7.3.1';

function extension(type: string, value: Buffer, isCritical = false): Buffer {
  return der(0x30, oid(type), ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value));
}

/** The extension with alternative names. */
export function alternativeNames(names: readonly (readonly [tag: number, value: string | Buffer])[]): Buffer {
  return extension('2.5.29.17', der(0x30, ...names.map(([tag, value]) => der(tag, value))));
}

/** A CA that signs whatever it is asked to. */
export class Authority {
  readonly #key: KeyObject;
  readonly #name: Buffer;
  readonly #revoked: Buffer[] = [];
  readonly serial: Buffer;
  #lists = 0;
  /** Its own certificate. */
  readonly cert: string;

  /**
   * @param parent signs its certificate; it does so itself unless given
   * @param kind what its certificate says it is: plain: nothing
   */
  constructor(
    name = 'Test CA',
    parent?: Authority,
    until = Date.now() + 1000 * hour,
    kind: 'authority' | 'client' | 'plain' = 'authority',
  ) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    this.#key = privateKey;
    this.#name = nameOf([
      ['O', 'Example'],
      ['CN', name],
    ]);
    this.serial = newSerial();
    const wanted = { kind, until };
    this.cert = (parent ?? this).#sign(this.#name, publicKey, this.serial, wanted);
  }

  /** A certificate for a client named `name`, or as is wanted. */
  issue(name: string, wanted: Wanted = {}): ClientFiles {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const serial = newSerial();
    const subject = nameOf(wanted.subject ?? [['CN', name]]);
    const cert = this.#sign(subject, publicKey, serial, wanted);
    const bytes = Buffer.from(cert.replace(/-----[^-]*-----/g, ''), 'base64');
    return {
      cert,
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      serial,
      fingerprint: createHash('sha256').update(bytes).digest('hex'),
    };
  }

  revoke({ serial }: Pick<ClientFiles, 'serial'>): void {
    this.#revoked.push(der(0x30, der(0x02, serial), time(Date.now() - hour)));
  }

  /** Its list of revoked certificates. */
  list({ from = Date.now() - hour, until = Date.now() + 100 * hour } = {}): string {
    this.#lists += 1;
    const number = extension('2.5.29.20', der(0x02, Buffer.from([this.#lists])));
    const signed = der(
      0x30,
      der(0x02, Buffer.from([1])),
      ecdsaWithSha256,
      this.#name,
      time(from),
      time(until),
      ...(this.#revoked.length === 0 ? [] : [der(0x30, ...this.#revoked)]),
      der(0xa0, der(0x30, number)),
    );
    return pem('X509 CRL', this.#seal(signed));
  }

  #sign(subject: Buffer, publicKey: KeyObject, serial: Buffer, wanted: Wanted): string {
    const { names, extensions = [], purposes = [forClients], kind = 'client' } = wanted;
    const all =
      kind === 'authority'
        ? [
            extension('2.5.29.19', der(0x30, der(0x01, Buffer.from([0xff]))), true),
            extension('2.5.29.15', der(0x03, Buffer.from([1, 0x06])), true),
          ]
        : [
            ...(kind === 'plain' ? [] : [extension('2.5.29.19', der(0x30), true)]),
            ...(purposes.length === 0 || kind === 'plain'
              ? []
              : [extension('2.5.29.37', der(0x30, ...purposes.map(oid)))]),
            ...(names === undefined ? [] : [alternativeNames(names)]),
            ...extensions,
          ];
    const signed = der(
      0x30,
      // Without extensions it is one of the first version, which has none.
      ...(all.length === 0 ? [] : [der(0xa0, der(0x02, Buffer.from([2])))]),
      der(0x02, serial),
      ecdsaWithSha256,
      this.#name,
      der(0x30, time(wanted.from ?? Date.now() - hour), time(wanted.until ?? Date.now() + 100 * hour)),
      subject,
      publicKey.export({ type: 'spki', format: 'der' }),
      ...(all.length === 0 ? [] : [der(0xa3, der(0x30, ...all))]),
    );
    return pem('CERTIFICATE', this.#seal(signed));
  }

  #seal(signed: Buffer): Buffer {
    const signature = sign('sha256', signed, this.#key);
    return der(0x30, signed, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature));
  }
}

function newSerial(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 1;
  return bytes;
}

/** A listener that asks for certificates: its files, and the text of its setting. */
export function askingListener(
  files: TlsFiles,
  authority: Pick<Authority, 'cert'>,
  options: string,
): { readonly listen: string; readonly caFile: string } {
  const { certFile, keyFile } = files.make('server', { key: 'ec' });
  const caFile = files.path('clients.pem');
  writeFileSync(caFile, authority.cert, { mode: 0o600 });
  return {
    listen: `https:127.0.0.1:0;engine=node;cert=${certFile};key=${keyFile};client_ca=${caFile}${options}`,
    caFile,
  };
}
