// Additions to all pages by JavaScript. Without it they are complete: every link, form and result works as it is.
// Values come from SIP users: they reach the document as text alone, never as markup. Pages of one kind have a script of their own
// beside this one, which the first page need not load: command.js, contacts.js, live.js, and that of charts.
import { showCalls } from './history.js';
import { forgetAll } from './kept.js';
import { followKeys } from './keys.js';
import { searchCommands } from './search.js';
import { followZone } from './times.js';

const header = document.querySelector('header');
const home = document.querySelector('header h1 a');

// On a phone the modules are one row that scrolls.
document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
if (header && home) searchCommands(header, home.pathname);
followKeys(document.querySelector('form.call'));
// The next user of this browser is to see nothing of what this one has called.
document.querySelector('header .user form')?.addEventListener('submit', forgetAll);
if (header) followZone(header);
showCalls();
