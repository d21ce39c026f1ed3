// A double in a process of its own: node PROGRAM [options as JSON, with contacts, userAgent and dialogs]. It prints its transports as a line
// of JSON, runs until its standard input ends, and where the original dies it exits as that does.
import { type DoubleOptions, OpensipsDouble } from './index.js';

const {
  contacts = 0,
  dialogs = 0,
  userAgent = 'double/1.0',
  ...options
} = JSON.parse(process.argv[2] ?? '{}') as DoubleOptions & {
  readonly contacts?: number;
  readonly dialogs?: number;
  readonly userAgent?: string;
};
const double = await OpensipsDouble.start(options);
double.state.addContacts(contacts, () => ({ userAgent }));
double.state.dialogs = dialogs;
double.onDeath((reason) => {
  process.stderr.write(`${reason}\n`);
  // 128 and the number of SIGSEGV, as a shell tells it.
  process.exit(139);
});
process.stdout.write(`${JSON.stringify({ ...double.transports, folder: double.folder })}\n`);
process.stdin.resume();
process.stdin.on('end', () => {
  void double.close().then(() => process.exit(0));
});
