import { isIP } from 'node:net';
import { AddressList } from '../../base/address.js';
import { reasonOf } from '../../base/text.js';
import { defineParameters, emptyProblem, fileProblem } from '../../config/parameter.js';
import { engineProblem } from '../../http/engine/engine.js';
import { heldBodySize } from '../../http/exchange.js';
import { allowedHostsProblem } from '../../http/limits/allowed-hosts.js';
import { clientCertProblem, parseListenSetting } from '../../http/listen/setting.js';
import { passwordProblem } from '../../http/login/secrets.js';
import { mostThreads } from '../../http/threads/protocol.js';
import { ciphersProblem, defaultCiphers } from '../../http/tls/ciphers.js';

/** Most calls a second that a limit can be set to. */
const highestRate = 1_000_000;

/** Parameters of httpd that say who may do what; the first three are those of OpenSIPS 4.0. */
export const accessParameters = defineParameters({
  auth_realm: {
    type: 'string',
    default: 'OpenSIPS MI',
    help: 'realm that browsers show when they ask for the password',
    check: (realm) =>
      emptyProblem('a text', realm) ?? (/^[\x20-\x7e]*$/.test(realm) ? undefined : 'give printable ASCII characters'),
  },
  auth_username: {
    type: 'string',
    default: undefined,
    help: 'name of one user of level `admin`; set together with `auth_password`; not set: see `auth_file`, `auth_tokens`',
    check: (name) =>
      name.trim() === '' || /[:\p{Cc}]/u.test(name)
        ? 'a name has one character or more, no colon and no control characters'
        : undefined,
  },
  auth_password: {
    type: 'string',
    default: undefined,
    secret: true,
    help: 'password of `auth_username`, in plain text: keep the file from others, or use `auth_file`',
    check: passwordProblem,
  },
  auth_password_file: {
    type: 'string',
    default: undefined,
    help: 'file whose first line is the password of `auth_username`, in place of `auth_password`; read again on SIGHUP',
    excludes: { names: ['auth_password'], remedy: 'there is one password; remove one of the two' },
    check: fileProblem,
  },
  auth_file: {
    type: 'string',
    default: undefined,
    help: 'file of users, lines of `mi-httpd passwd NAME`: `name:level:hash`; read again on SIGHUP',
    check: fileProblem,
  },
  auth_tokens: {
    type: 'string',
    default: undefined,
    help: 'file of bearer tokens, lines of `mi-httpd token NAME`: `name:level:hash`; read again on SIGHUP',
    check: fileProblem,
  },
  client_users: {
    type: 'string',
    default: undefined,
    help:
      'file of users by the certificates that they show to an https listener with `client_ca`, lines `name:level:cn=…`, or ' +
      '`subject=`, `dns=`, `email=`, `uri=`, `sha256=`; read again when it changes, and on SIGHUP',
    check: fileProblem,
  },
  sessions: {
    type: 'int',
    default: 1,
    min: 0,
    max: 2,
    help:
      '1: where users log in, browsers get a page for that and a cookie since, on https, on addresses of this machine and on Unix ' +
      'sockets; 2: also by plain HTTP elsewhere, where the cookie can be read on the way; 0: browsers ask for the password themselves',
  },
  session_idle: {
    type: 'int',
    default: 1800,
    min: 1,
    max: 86400,
    unit: 's',
    help: 'a session without a request for this long ends; a page that shows what is new asks for it by itself',
  },
  session_lifetime: {
    type: 'int',
    default: 43200,
    min: 1,
    max: 604800,
    unit: 's',
    help: 'a session ends after this long, however much it is used',
  },
  allow_from: {
    type: 'string',
    default: undefined,
    help: 'addresses and networks, parted by commas, that are let in (`192.0.2.0/24, ::1`); others get 403; left out: all',
    check: (text) => emptyProblem('addresses or networks', text) ?? problemOf(() => new AddressList(text)),
  },
  allow_unauthenticated: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1,
    help: '1: start even where other machines can reach a listener that asks for no password; 0: refuse to',
  },
  allow_commands: {
    type: 'string',
    default: undefined,
    help: 'MI commands, parted by commas, that may be called, others not (`usrloc:*, which, get_statistics`); left out: all',
    check: (text) => emptyProblem('names of commands', text),
  },
  deny_commands: {
    type: 'string',
    default: undefined,
    help: 'MI commands, parted by commas, that nobody may call, whatever the level (`kill, *:reset*`)',
    check: (text) => emptyProblem('names of commands', text),
  },
  audit_file: {
    type: 'string',
    default: undefined,
    help: 'file that gets one JSON line for each call: who, from where, which command, outcome; opened again on SIGHUP',
    check: fileProblem,
  },
  rate_limit_address: {
    type: 'int',
    default: 0,
    min: 0,
    max: highestRate,
    unit: 'calls/s',
    help: 'MI calls that one address (IPv6: one /64) may make a second, and at once; more get 429; 0: no limit',
  },
  rate_limit_user: {
    type: 'int',
    default: 0,
    min: 0,
    max: highestRate,
    unit: 'calls/s',
    help: 'the same for one user or token, from wherever',
  },
});

function problemOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

const serverColors: readonly string[] = ['red', 'orange', 'green', 'blue', 'purple', 'gray'];

const longestName = 64;

function nameProblem(name: string): string | undefined {
  return name.trim() === '' || name.length > longestName || /[\p{Cc}\p{Bidi_Control}]/u.test(name)
    ? `give 1 to ${longestName} characters, none of them a control character`
    : undefined;
}

/** Parameters of httpd, with the names of OpenSIPS. */
export const parameters = defineParameters({
  ip: {
    type: 'string',
    default: undefined,
    help:
      'address to listen on, IPv4 or IPv6; "" or "*": all, both families; not set: all where somebody has to log in, ' +
      'else this machine alone, 127.0.0.1',
    check: (ip) =>
      ip !== '' && ip !== '*' && isIP(ip) === 0
        ? 'neither an IPv4 nor an IPv6 address; use one without port and brackets, or "*" for all'
        : undefined,
  },
  port: {
    type: 'int',
    default: 8888,
    min: 0,
    max: 65535,
    help: 'TCP port; 0: one that is free; 1 to 1023 are refused',
    check: portProblem,
  },
  listen: {
    type: 'list',
    help:
      'one listener, repeated for more: `http:ADDRESS:PORT`, `https:ADDRESS:PORT` (IPv6 in brackets, `*` for all) or ' +
      '`unix:/path`, then options as `;name=value`; takes the place of `ip` and `port`',
    excludes: {
      names: ['ip', 'port'],
      remedy:
        'ip and port (-l and -p) are the one listener of a server without listen; ' +
        'give that one as a listener too, such as "http:127.0.0.1:8888"',
    },
    check: listenProblem,
  },
  buf_size: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1073741824,
    unit: 'bytes',
    help: 'response window, preallocated: a longer reply is streamed; 0: a quarter of the private memory (-M); else 1024 or more',
    check: (size) => (size > 0 && size < 1024 ? `buf_size ${size} is below 1024; 0 means the default` : undefined),
  },
  post_buf_size: {
    type: 'int',
    default: 1024,
    min: 256,
    max: 16777216,
    unit: 'bytes',
    help: 'preallocated slot for a body that arrives in pieces; a larger body makes its slot grow',
  },
  receive_buf_size: {
    type: 'int',
    default: 262144,
    min: 256,
    max: 1073741824,
    unit: 'bytes',
    help: 'largest body that is accepted; more gets 413. While one is read nobody else is served: some 3 ms for each MiB',
  },
  conn_timeout: {
    type: 'int',
    default: 30,
    min: 0,
    max: 86400,
    unit: 's',
    help:
      'a client that reads nothing of its reply for this long is cut; 0: never. Idle connections and stalled ' +
      'uploads are closed then too with engine `node`; `uws` closes them after 8 to 12 s, whatever is set here',
  },
  reply_timeout: {
    type: 'int',
    default: 600,
    min: 0,
    max: 86400,
    unit: 's',
    help: 'a streamed reply that is not read whole by then is cut, however steadily its client reads; 0: never',
  },
  max_reply_size: {
    type: 'int',
    default: 0,
    min: 0,
    unit: 'bytes',
    help: `a streamed reply that grows longer, as it is sent, is cut and logged; 0: no limit; else ${heldBodySize} or more`,
    check: (size) =>
      size > 0 && size < heldBodySize
        ? `max_reply_size ${size} is below ${heldBodySize}, and shorter replies are sent in one piece; 0 means no limit`
        : undefined,
  },
  compression: {
    type: 'int',
    default: 1,
    min: 0,
    max: 2,
    help:
      '1: replies longer than 14336 bytes are compressed by zstd or gzip for clients that ask for it (Accept-Encoding), 16 at ' +
      'once, in threads of their own; 2: those by Unix sockets too; 0: none is',
  },
  compression_level: {
    type: 'int',
    default: 1,
    min: 1,
    max: 6,
    help: '1: the fastest, 0.1 to 0.4 s of a core for 100 MB; 6: some percent less to send, for 5 times the time and more',
  },
  engine: {
    type: 'string',
    default: 'auto',
    help:
      'what speaks HTTP: `uws`, uWebSockets.js; `node`, the HTTP server of Node.js: slower, and HTTP/1.0 too; `auto`: `uws` ' +
      'where it loads, else `node`, with a warning; a listener may have its own, `;engine=node`',
    check: engineProblem,
  },
  threads: {
    type: 'int',
    default: 0,
    min: 0,
    max: mostThreads,
    help:
      'threads that have the listeners: clients are accepted, read and written there, and modules and commands run in the thread ' +
      'that started the server; 0: that one does all',
  },
  server_name: {
    type: 'string',
    default: undefined,
    help: 'what pages call this server, in front of their titles; left out: the name of the machine',
    check: nameProblem,
  },
  server_color: {
    type: 'string',
    default: undefined,
    help: `color of that name on pages: ${serverColors.join(', ')}; red may stand for production`,
    check: (color) => (serverColors.includes(color) ? undefined : `give ${serverColors.join(', ')}`),
  },
  allowed_hosts: {
    type: 'string',
    default: undefined,
    help:
      'names, parted by commas, that browsers may reach this server by; addresses and localhost always are; ' +
      'any other Host header gets 403',
    check: allowedHostsProblem,
  },
  landing: {
    type: 'int',
    default: 1,
    min: 0,
    max: 1,
    help: '1: / lists the root paths, as a page or, where Accept asks for it, as JSON; 0: it is 404',
  },
  health: {
    type: 'int',
    default: 1,
    min: 0,
    max: 1,
    help: '1: /healthz tells that the process answers, /readyz whether it takes requests, as plain text; 0: they are 404',
  },
  history: {
    type: 'string',
    default: undefined,
    help:
      'names of statistics, parted by commas, that are kept over time besides those that always are, as long as there is room, 1.7 MB: ' +
      '`usrloc:location-users, pbx:trunks`, also of an OpenSIPS; off: none is kept',
    check: (text) => (text.trim() === '' ? 'give names parted by commas, or off' : undefined),
  },
  max_connections: {
    type: 'int',
    default: 10000,
    min: 1,
    max: 1000000,
    help:
      'connections by TCP open at once; the next gets 503, over TLS nothing; lowered when the limit of open files is ' +
      'lower; 32 more by Unix sockets',
  },
  max_connections_address: {
    type: 'int',
    default: 0,
    min: 0,
    max: 1000000,
    help:
      'the same of one address (IPv6: one /64); 0: half of `max_connections`, but 64 at least; raise it for a proxy on ' +
      'another machine; Linux only',
  },
  tls_cert_file: {
    type: 'string',
    default: undefined,
    help: 'PEM file: certificate, then those that lead to a root; with `tls_key_file` TLS is on, and plain HTTP off',
    check: fileProblem,
  },
  tls_key_file: {
    type: 'string',
    default: undefined,
    help: 'PEM file: private key of the certificate; RSA, P-256, P-384, P-521 or Ed25519',
    check: fileProblem,
  },
  tls_key_passphrase_file: {
    type: 'string',
    default: undefined,
    help: 'file whose first line decrypts the private key',
    check: fileProblem,
  },
  tls_ciphers: {
    type: 'string',
    default: defaultCiphers,
    help: 'GnuTLS priority string, or a list of suites as OpenSSL has it; what the engine cannot do of it is told',
    check: ciphersProblem,
  },
  client_ca: {
    type: 'string',
    default: undefined,
    help:
      'PEM file: the CA that signs clients, and those that lead to its root; every https listener of engine `node` asks for ' +
      'their certificates; a listener may have its own, `;client_ca=FILE`, or ask for none, `;client_cert=off`',
    check: fileProblem,
  },
  client_cert: {
    type: 'string',
    default: 'require',
    help:
      'with `client_ca`: `require`: a client without a certificate gets no connection; `optional`: it may log in otherwise; a ' +
      'listener may have its own, `;client_cert=optional`',
    check: clientCertProblem,
  },
  client_crl: {
    type: 'string',
    default: undefined,
    help:
      'with `client_ca`: PEM file, the list of revoked certificates of each CA in it; a listener may have its own, ' +
      '`;client_crl=FILE`, and has to where it has a `client_ca` of its own',
    check: fileProblem,
  },
  tls_hsts: {
    type: 'int',
    default: 86400,
    min: 0,
    max: 63072000,
    unit: 's',
    help:
      'https: how long browsers use nothing but TLS for this host name, on all of its ports (Strict-Transport-Security); ' +
      '0: they are not told. Browsers ignore it for addresses and localhost',
  },
  ...accessParameters,
});

function portProblem(port: number): string | undefined {
  if (port === 0 || port >= 1024) return undefined;
  return (
    `port ${port} is reserved for privileged services, and this server must not run as root; ` +
    'use 1024 or more (default 8888) and forward the low port to it'
  );
}

function listenProblem(text: string): string | undefined {
  try {
    const { port, options } = parseListenSetting(text);
    // A service manager opens low ports for a server that may not.
    return options.has('socket') ? undefined : portProblem(port);
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
