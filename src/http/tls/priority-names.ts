/** The meaning of a level of a GnuTLS priority string; lists are in order of preference. */
export interface Level {
  readonly versions: readonly string[];
  readonly keyExchanges: readonly string[];
  readonly ciphers: readonly string[];
  readonly macs: readonly string[];
  /** True when it narrows groups and signature algorithms. */
  readonly isNarrow: boolean;
}

const everyTls = ['TLS1.3', 'TLS1.2', 'TLS1.1', 'TLS1.0'];
const fourKeyExchanges = ['ECDHE-ECDSA', 'ECDHE-RSA', 'RSA', 'DHE-RSA'];

const normal: Level = {
  versions: everyTls,
  keyExchanges: fourKeyExchanges,
  ciphers: [
    'AES-256-GCM',
    'CHACHA20-POLY1305',
    'AES-256-CCM',
    'AES-256-CBC',
    'AES-128-GCM',
    'AES-128-CCM',
    'AES-128-CBC',
  ],
  macs: ['SHA1', 'AEAD'],
  isNarrow: false,
};

const secure256: Level = {
  versions: everyTls,
  keyExchanges: fourKeyExchanges,
  ciphers: ['AES-256-GCM', 'CHACHA20-POLY1305', 'AES-256-CBC', 'AES-256-CCM'],
  macs: ['AEAD'],
  isNarrow: true,
};

const suiteB = (...ciphers: readonly string[]): Level => ({
  versions: ['TLS1.2'],
  keyExchanges: ['ECDHE-ECDSA'],
  ciphers,
  macs: ['AEAD'],
  isNarrow: true,
});

/** The levels by name, as GnuTLS 3.7 has them. */
export const levels: ReadonlyMap<string, Level> = new Map([
  ['NORMAL', normal],
  ['LEGACY', normal],
  ['PFS', { ...normal, keyExchanges: ['ECDHE-ECDSA', 'ECDHE-RSA', 'DHE-RSA'] }],
  [
    'SECURE128',
    {
      ...normal,
      ciphers: [
        'AES-256-GCM',
        'CHACHA20-POLY1305',
        'AES-256-CBC',
        'AES-256-CCM',
        'AES-128-GCM',
        'AES-128-CBC',
        'AES-128-CCM',
      ],
      isNarrow: true,
    },
  ],
  ['SECURE192', secure256],
  ['SECURE256', secure256],
  [
    'PERFORMANCE',
    {
      ...normal,
      keyExchanges: ['RSA', 'ECDHE-ECDSA', 'ECDHE-RSA', 'DHE-RSA'],
      ciphers: [
        'AES-128-GCM',
        'AES-256-GCM',
        'CHACHA20-POLY1305',
        'AES-128-CCM',
        'AES-256-CCM',
        'AES-128-CBC',
        'AES-256-CBC',
      ],
    },
  ],
  ['SUITEB128', suiteB('AES-256-GCM', 'AES-128-GCM')],
  ['SUITEB192', suiteB('AES-256-GCM')],
  ['NONE', { versions: [], keyExchanges: [], ciphers: [], macs: [], isNarrow: false }],
]);

/** Every protocol version, without its prefix VERS-. */
export const versions: readonly string[] = [...everyTls, 'SSL3.0', 'DTLS1.2', 'DTLS1.0', 'DTLS0.9'];

/** Key exchanges in which nobody proves who they are. */
export const anonymous: readonly string[] = ['ANON-DH', 'ANON-ECDH'];

export const keyExchanges: readonly string[] = [
  ...fourKeyExchanges,
  ...anonymous,
  'DHE-DSS',
  'PSK',
  'DHE-PSK',
  'ECDHE-PSK',
  'RSA-PSK',
  'SRP',
  'SRP-RSA',
  'SRP-DSS',
];

export const ciphers: readonly string[] = [
  ...normal.ciphers,
  'AES-192-GCM',
  'AES-192-CBC',
  'AES-256-CCM-8',
  'AES-128-CCM-8',
  '3DES-CBC',
  'CAMELLIA-256-GCM',
  'CAMELLIA-128-GCM',
  'CAMELLIA-256-CBC',
  'CAMELLIA-192-CBC',
  'CAMELLIA-128-CBC',
  'ARCFOUR-128',
  'ARCFOUR-40',
  'SALSA20-256',
  'ESTREAM-SALSA20-256',
  'RC2-40',
  'DES-CBC',
  'GOST28147-TC26Z-CNT',
  'NULL',
];

export const macs: readonly string[] = [
  'SHA1',
  'AEAD',
  'SHA256',
  'SHA384',
  'SHA512',
  'SHA224',
  'MD5',
  'UMAC-96',
  'UMAC-128',
  'GOST28147-TC26Z-IMIT',
];

/** Names, after the sign, of what is known and cannot be set here: groups, signatures, compression, certificates. */
export const unsettable: readonly (readonly [what: 'groups' | 'signatures' | 'nothing', pattern: RegExp])[] = [
  ['groups', /^(GROUP|CURVE)-(ALL|EC-ALL|DH-ALL|SECP(192|224|256|384|521)R1|X25519|X448|GC(256|512)[A-D])$/],
  ['groups', /^GROUP-FFDHE(2048|3072|4096|6144|8192)$/],
  ['signatures', /^SIGN-ALL$/],
  ['signatures', /^SIGN-(RSA|DSA|ECDSA|RSA-PSS|RSA-PSS-RSAE)-(MD5|SHA1|SHA(3-)?(224|256|384|512))$/],
  ['signatures', /^SIGN-(ECDSA-SECP(256R1-SHA256|384R1-SHA384|521R1-SHA512)|EDDSA-ED(25519|448)|GOSTR[0-9-]+)$/],
  ['nothing', /^COMP-(ALL|NULL|DEFLATE|BROTLI|ZLIB|ZSTD)$/],
  ['nothing', /^CTYPE-((CLI|SRV)-)?(ALL|X\.?509|RAWPK|OPENPGP)$/],
];

/** Keywords behind a percent sign, which have no effect here, and the remark about each where there is one. */
export const flags: ReadonlyMap<string, string | undefined> = new Map([
  ['SERVER_PRECEDENCE', 'the order of the client decides, not that of the server'],
  ['NO_TICKETS', 'session tickets are given'],
  ['NO_TICKETS_TLS12', 'session tickets are given'],
  ['FORCE_ETM', 'encrypt-then-MAC is not forced'],
  ['UNSAFE_RENEGOTIATION', 'renegotiation is refused'],
  ['FORCE_SESSION_HASH', 'clients without extended master secret are served'],
  ...[
    'COMPAT',
    'DUMBFW',
    'NO_EXTENSIONS',
    'NO_STATUS_REQUEST',
    'NO_SESSION_HASH',
    'NO_ETM',
    'NO_SHUFFLE_EXTENSIONS',
    'SSL3_RECORD_VERSION',
    'LATEST_RECORD_VERSION',
    'STATELESS_COMPRESSION',
    'SAFE_RENEGOTIATION',
    'PARTIAL_RENEGOTIATION',
    'DISABLE_SAFE_RENEGOTIATION',
    'FALLBACK_SCSV',
    'DISABLE_WILDCARDS',
    'DISABLE_TLS13_COMPAT_MODE',
    'ALLOW_SMALL_RECORDS',
    'VERIFY_ALLOW_BROKEN',
    'VERIFY_ALLOW_SIGN_RSA_MD5',
    'VERIFY_ALLOW_SIGN_WITH_SHA1',
    'VERIFY_ALLOW_X509_V1_CA_CRT',
    'VERIFY_DISABLE_CRL_CHECKS',
  ].map((name) => [name, undefined] as const),
  ...['VERY_WEAK', 'LOW', 'LEGACY', 'MEDIUM', 'HIGH', 'ULTRA', 'FUTURE', 'SUITEB128', 'SUITEB192'].map(
    (name) => [`PROFILE_${name}`, 'profiles do not limit the sizes of keys'] as const,
  ),
]);
