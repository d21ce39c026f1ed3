// A program that mi-httpd is a part of, with threads that have the listeners: `THREADS CONTACTS`. It tells its port and how long it took to
// start, in processor time.
import { command, createServer, defineModule } from 'mi-httpd';
import { saveContacts } from '../peers/contacts.js';
import { delayCommand } from '../peers/delay-meter.js';

const [threads = '0', contacts = '0'] = process.argv.slice(2);
const bench = defineModule({
  name: 'bench',
  commands: [delayCommand(command), command({ name: 'home', help: 'A short text, from home.', run: () => 'OK' })],
});
const server = createServer({
  threads: Number(threads),
  httpd: { ip: '127.0.0.1', port: 0 },
  usrloc: {},
  modules: [bench],
});
if (server.usrloc !== undefined) saveContacts(server.usrloc.domain('location'), Number(contacts));
const before = process.cpuUsage();
await server.start();
const { user, system } = process.cpuUsage(before);
process.stdout.write(`${server.port} ${(user + system) / 1000}\n`);
