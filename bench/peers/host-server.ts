// A program that mi-httpd is a part of, whose event loop is watched: `LIBRARY PORT CONTACTS [CERT KEY]`, with the path of
// dist/index.js.
import { pathToFileURL } from 'node:url';
import type * as Library from 'mi-httpd';
import { saveContacts } from './contacts.js';
import { delayCommand } from './delay-meter.js';

const [library = '', port = '0', contacts = '0', certFile, keyFile] = process.argv.slice(2);
const { command, createServer, defineModule } = (await import(pathToFileURL(library).href)) as typeof Library;

const bench = defineModule({
  name: 'bench',
  commands: [
    delayCommand(command),
    command({
      name: 'measure',
      help: 'The length of a text.',
      recipes: [{ text: 'string' }],
      run: ({ text }) => text.length,
    }),
  ],
});
const tls = certFile === undefined ? {} : { tls_cert_file: certFile, tls_key_file: keyFile };
const server = createServer({ httpd: { ip: '127.0.0.1', port: Number(port), ...tls }, usrloc: {}, modules: [bench] });
if (server.usrloc !== undefined) saveContacts(server.usrloc.domain('location'), Number(contacts));
await server.start();
