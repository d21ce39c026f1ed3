import type {
  App,
  CertificateFiles,
  Engine,
  EngineHandlers,
  LoadedCertificate,
  SecureApp,
  TlsAbilities,
} from '../engine/engine.js';
import type { ReloadedFiles } from './protocol.js';

/** The engine of a thread that does not listen: it says what is wrong with certificates, and threads that listen load them. */
export class JudgingEngine implements Engine {
  readonly #engine: Engine;
  readonly #changed: Changed;

  /** @param changed told when a listener is to serve with other files */
  constructor(engine: Engine, changed: Changed) {
    this.#engine = engine;
    this.#changed = changed;
  }

  get name(): string {
    return this.#engine.name;
  }

  get version(): string {
    return this.#engine.version;
  }

  get isOfNode(): boolean {
    return this.#engine.isOfNode;
  }

  get asksForCertificates(): boolean {
    return this.#engine.asksForCertificates;
  }

  get sharesPorts(): boolean {
    return this.#engine.sharesPorts;
  }

  get tls(): TlsAbilities {
    return this.#engine.tls;
  }

  get chunkSize(): number {
    return this.#engine.chunkSize;
  }

  open(): App {
    return new SilentApp(this.#changed);
  }

  openSecure(_handlers: EngineHandlers, certificate: LoadedCertificate): SecureApp {
    certificate.drop();
    return new SilentApp(this.#changed);
  }

  loadCertificate(files: CertificateFiles): LoadedCertificate | undefined {
    return this.#engine.loadCertificate(files);
  }
}

/** Told of new files: those of the certificate, or those by which clients are judged. */
type Changed = (what: ReloadedFiles) => void;

/** An app that does not listen. */
class SilentApp implements SecureApp {
  readonly #changed: Changed;

  constructor(changed: Changed) {
    this.#changed = changed;
  }

  async listen(): Promise<undefined> {}

  async listenUnix(): Promise<undefined> {}

  async listenOn(): Promise<undefined> {}

  replace(certificate: LoadedCertificate): void {
    certificate.drop();
    this.#changed('certificate');
  }

  trust(): void {
    this.#changed('trust');
  }

  async close(): Promise<void> {}
}
