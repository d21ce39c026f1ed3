import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { joinHostPort } from '../../base/address.js';
import { coded } from '../../base/codes.js';
import { readBounded, UnreadableError } from '../../base/files.js';
import { type CodedLog, LineRate } from '../../base/log.js';
import { reasonOf } from '../../base/text.js';
import { defineParameters } from '../../config/parameter.js';
import type { TraceDestination, TracePacket } from '../../gateway/call-tracer.js';
import type { EventDeliveryCounts } from '../../mi/events/events.js';
import { defineBuiltIn } from '../../module.js';
import { Datagrams } from '../event_datagram/datagrams.js';
import { Connection, type Opening } from '../event_stream/connection.js';
import { WriteTurns } from '../evi/write-turns.js';
import { type HepSetting, parseHepId } from './destination.js';
import { type HepOptions, hepPacket } from './packet.js';

const ofSip = {
  refused: 'only calls of the management interface are traced, and no packets are received',
  isShared: true,
} as const;

/** Parameters of proto_hep, with the names and defaults of OpenSIPS, but for the last ones. */
const parameters = defineParameters({
  hep_id: {
    type: 'list',
    help:
      'a capture server, `[NAME] HOST:PORT; transport=tcp; version=3`: `trace_destination` of mi_http, mi_html and mi_json names it. ' +
      'The port may be left out (9060), and so may the options; IPv6 goes in brackets; transport=tls is TLS, which OpenSIPS does not have',
    check: (text) => {
      try {
        parseHepId(text);
        return undefined;
      } catch (error) {
        return reasonOf(error);
      }
    },
  },
  hep_capture_id: {
    type: 'int',
    default: 1,
    min: 0,
    help: 'number of this server in the packets, by which a capture server tells those who send apart',
  },
  homer5_on: {
    type: 'int',
    default: 1,
    min: 0,
    max: 1,
    help: '1: the payload is texts parted by `homer5_delim`; 0: it is a JSON object',
  },
  homer5_delim: { type: 'string', default: ':', help: 'text between the parts of the payload' },
  compressed_payload: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: 'has no effect: what is traced of calls is never compressed, as in OpenSIPS',
  },
  hep_port: { type: 'int', help: 'port that packets are received on', ...ofSip },
  hep_send_timeout: { type: 'int', help: 'time that sending may take', ...ofSip },
  hep_max_msg_chunks: { type: 'int', help: 'pieces that a packet may come in', ...ofSip },
  hep_async: { type: 'int', help: 'whether packets are sent without waiting, which they always are', ...ofSip },
  hep_async_max_postponed_chunks: { type: 'int', help: 'packets that may wait', ...ofSip },
  hep_async_local_connect_timeout: { type: 'int', help: 'time to wait for a connection', ...ofSip },
  hep_async_local_write_timeout: { type: 'int', help: 'time to wait for a write', ...ofSip },
  tls_ca_file: {
    type: 'string',
    default: undefined,
    help: 'PEM file of the CAs by which capture servers with transport=tls are judged; not set: those of Node.js',
    check: (file) => (file.trim() === '' ? 'it is empty: give the path of a file, or remove the line' : undefined),
  },
  queue_size: {
    type: 'int',
    default: 1048576,
    min: 1024,
    max: 1073741824,
    unit: 'bytes',
    help: 'packets that may wait for one capture server; further ones are dropped, and counted',
  },
});

/** Milliseconds that a connection to a capture server may take. */
const connectTimeout = 5000;

/** Milliseconds for which the address of a name is used, and before one that was not found is looked up again. */
const nameLasts = 60_000;

/** Bytes of the longest file of CAs. */
const longestFile = 4 << 20;

/** A capture server that packets can be sent to. */
interface CaptureServer extends TraceDestination {
  /** Sends what waits, and closes. */
  finish(): Promise<void>;
}

/** Capture servers by their names: what `trace_destination` names. */
export class CaptureServers {
  readonly #settings = new Map<string, HepSetting>();
  readonly #open = new Map<string, CaptureServer>();
  readonly #make: (setting: HepSetting) => CaptureServer;

  /** @param make opens one, once it is needed */
  constructor(settings: readonly HepSetting[], make: (setting: HepSetting) => CaptureServer) {
    for (const setting of settings) {
      if (this.#settings.has(setting.name)) {
        const name = JSON.stringify(setting.name);
        throw coded('ERR_PARAMETER', new Error(`hep_id of module proto_hep has ${name} twice: give one another name`));
      }
      this.#settings.set(setting.name, setting);
    }
    this.#make = make;
  }

  setting(name: string): HepSetting | undefined {
    return this.#settings.get(name);
  }

  /** Undefined for one that has no room for traces of calls, or is not there. */
  open(name: string): TraceDestination | undefined {
    const setting = this.#settings.get(name);
    if (setting?.version !== 3) return undefined;
    const known = this.#open.get(name) ?? this.#make(setting);
    this.#open.set(name, known);
    return known;
  }

  async finish(): Promise<void> {
    await Promise.all([...this.#open.values()].map((one) => one.finish()));
    this.#open.clear();
  }
}

/** Capture servers (HEP version 3), which calls of the management interface are copied to. */
export const protoHepModule = defineBuiltIn({
  name: 'proto_hep',
  parameters,
  load({ parameters: values, mi, log }) {
    const { statistics } = mi;
    const sent = statistics.add('proto_hep', 'trace_packets_sent', 'counter', {
      help: 'Packets handed to the operating system.',
    });
    const dropped = statistics.add('proto_hep', 'trace_packets_dropped', 'counter', {
      help: 'Packets given up, because the capture server does not take them.',
    });
    const lines = new LineRate();
    const counts: EventDeliveryCounts = {
      sent: () => sent.add(1),
      dropped: (count) => {
        if (count === 0) return;
        dropped.add(count);
        if (lines.isDue('dropped'))
          log.warn(
            { code: 'trace-packets-lost', lost: dropped.value },
            `packets of traces given up so far: ${dropped.value}; capture servers are down, or take them too slowly`,
          );
      },
    };
    const options: HepOptions = {
      captureId: values.hep_capture_id,
      delimiter: values.homer5_on === 1 ? values.homer5_delim : undefined,
    };
    const file = values.tls_ca_file;
    const turns = new WriteTurns();
    const make = (setting: HepSetting): CaptureServer => {
      const shared = { counts, log, queueSize: values.queue_size };
      return setting.transport === 'udp'
        ? new UdpServer(setting, options, shared)
        : new StreamServer(setting, options, { ...shared, turns, ca: file === undefined ? undefined : readCas(file) });
    };
    const servers = new CaptureServers(values.hep_id.map(parseHepId), make);
    return {
      api: servers,
      check: () => {
        if (file !== undefined) readCas(file);
        return [];
      },
      // Behind the last answers.
      finish: () => servers.finish(),
    };
  },
});

/** @throws Error in one line */
function readCas(file: string): Buffer {
  try {
    const pem = readBounded(file, longestFile);
    // Each is judged when a connection is made; a file that has none is a slip.
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    const reason = error instanceof UnreadableError ? error.message : 'it has no certificate in PEM';
    throw coded('ERR_CERTIFICATE', new Error(`tls_ca_file ${file} of module proto_hep cannot be used: ${reason}`));
  }
}

interface Sending {
  readonly counts: EventDeliveryCounts;
  readonly log: CodedLog;
  readonly queueSize: number;
}

class UdpServer implements CaptureServer {
  readonly #setting: HepSetting;
  readonly #options: HepOptions;
  readonly #sending: Sending;
  readonly #datagrams: Datagrams;
  #address: string | undefined;
  #isLookedUp = false;
  #lookedUpAt = -Infinity;

  constructor(setting: HepSetting, options: HepOptions, sending: Sending) {
    this.#setting = setting;
    this.#options = options;
    this.#sending = sending;
    this.#datagrams = new Datagrams(sending.counts, sending.queueSize, (_family, error) => this.#failed(error));
    if (isIP(setting.host) !== 0) this.#address = setting.host;
    else this.#lookUp();
  }

  send(packet: TracePacket): void {
    if (isIP(this.#setting.host) === 0) this.#lookUp();
    if (this.#address === undefined || this.#datagrams.isFull) this.#sending.counts.dropped(1);
    else this.#datagrams.send(hepPacket(packet, this.#options, Date.now()), this.#address, this.#setting.port);
  }

  async finish(): Promise<void> {
    await this.#datagrams.close();
  }

  /** Finds the address of a name, now and then anew: the former one is used meanwhile. */
  #lookUp(): void {
    const now = performance.now();
    if (this.#isLookedUp || now - this.#lookedUpAt < nameLasts) return;
    this.#isLookedUp = true;
    this.#lookedUpAt = now;
    process.getBuiltinModule('node:dns').lookup(this.#setting.host, (error, address) => {
      this.#isLookedUp = false;
      if (error === null) this.#address = address;
      else this.#failed(error);
    });
  }

  #failed(error: Error): void {
    tellDown(this.#sending.log, this.#setting, error);
  }
}

class StreamServer implements CaptureServer {
  readonly #options: HepOptions;
  readonly #counts: EventDeliveryCounts;
  readonly #connection: Connection;

  constructor(
    setting: HepSetting,
    options: HepOptions,
    { counts, log, queueSize, turns, ca }: Sending & { readonly turns: WriteTurns; readonly ca: Buffer | undefined },
  ) {
    this.#options = options;
    this.#counts = counts;
    const { host, port, transport } = setting;
    this.#connection = new Connection(
      { port, address: () => host },
      {
        timeout: connectTimeout,
        queueSize,
        counts,
        turns,
        ...(transport === 'tls' ? { open: openTls(ca) } : {}),
        down: (error) => tellDown(log, setting, error),
        back: () =>
          log.info({ code: 'trace-destination-back', destination: setting.name }, `${described(setting)} is back`),
      },
    );
  }

  send(packet: TracePacket): void {
    if (this.#connection.isFull) this.#counts.dropped(1);
    else this.#connection.send(hepPacket(packet, this.#options, Date.now()));
  }

  finish(): Promise<void> {
    return this.#connection.finish();
  }
}

function openTls(ca: Buffer | undefined): Opening {
  return ({ host, port }) => {
    // Loaded late: few servers trace.
    const { connect } = process.getBuiltinModule('node:tls');
    const name = isIP(host) === 0 ? { servername: host } : {};
    const socket = connect({ host, port, ...name, ...(ca === undefined ? {} : { ca }) });
    return { socket, ready: 'secureConnect' };
  };
}

function tellDown(log: CodedLog, setting: HepSetting, error: unknown): void {
  log.warn(
    { code: 'trace-destination-unreachable', err: error, destination: setting.name },
    `${described(setting)} cannot be reached; packets wait as far as queue_size lets them`,
  );
}

function described({ name, transport, host, port }: HepSetting): string {
  return `capture server ${JSON.stringify(name)}, ${transport}:${joinHostPort(host, port)},`;
}
