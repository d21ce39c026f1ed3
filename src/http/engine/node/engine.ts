import { readFileSync } from 'node:fs';
import { createSecureContext, getCiphers, type SecureContextOptions } from 'node:tls';
import {
  type App,
  type CertificateFiles,
  type ClientTrust,
  type Engine,
  type EngineHandlers,
  type LoadedCertificate,
  leastChunk,
  type SecureApp,
} from '../engine.js';
import { PlainNodeApp, SecureNodeApp } from './app.js';
import { NodeCertificate, optionsOf } from './certificate.js';

/** The suites of TLS 1.3, which a list of suites has to name: without any of them Node.js leaves TLS 1.3 out. */
const tls13Suites = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];

/** The HTTP server of Node.js itself. */
export class NodeEngine implements Engine {
  readonly name = 'node:http';
  readonly version = process.versions.node;
  readonly isOfNode = true;
  readonly asksForCertificates = true;
  readonly sharesPorts = false;
  readonly tls = { hasOwnOrder: true, hasSuite: (suite: string) => getCiphers().includes(suite.toLowerCase()) };
  readonly chunkSize = leastChunk;

  /**
   * @param patience milliseconds for which a connection may stand still; 0: without limit
   * @param notice tells why it serves, where another one was to
   */
  constructor(
    readonly patience: number,
    readonly notice?: string | undefined,
  ) {}

  open(handlers: EngineHandlers): App {
    return new PlainNodeApp(handlers, this.patience);
  }

  openSecure(handlers: EngineHandlers, certificate: LoadedCertificate, clients?: ClientTrust): SecureApp {
    return new SecureNodeApp(handlers, this.patience, optionsOf(certificate), clients);
  }

  loadCertificate({ certFile, chain, keyFile, passphrase, ciphers }: CertificateFiles): LoadedCertificate | undefined {
    const options: SecureContextOptions = {
      ciphers: [...tls13Suites, ciphers].join(':'),
      // Those of the other engine, which the notices about tls_ciphers name.
      ecdhCurve: 'X25519:P-256:P-384',
      minVersion: 'TLSv1.2',
      honorCipherOrder: true,
      ...(passphrase === undefined ? {} : { passphrase }),
    };
    try {
      const files = { cert: chain ?? readFileSync(certFile), key: readFileSync(keyFile) };
      createSecureContext({ ...options, ...files });
      return new NodeCertificate({ ...options, ...files });
    } catch {
      return undefined;
    }
  }
}
