// Additions to all pages by JavaScript. Without it they are complete: every link, form and result works as it is.
// Values come from SIP users: they reach the document as text alone, never as markup. Pages of one kind have a script of their own
// beside this one, which the first page need not load: command.js, contacts.js, live.js, and that of charts.
import { element } from './element.js';
import { showCalls } from './history.js';
import { forgetAll } from './kept.js';
import { followKeys } from './keys.js';
import { searchCommands } from './search.js';
import { followZone } from './times.js';

/** The search and the choice of a zone, which share a line in every window. */
const tools = element('div', { className: 'tools' });
const home = document.querySelector('header h1 a');

// On a phone the modules are one row that scrolls.
document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
document.querySelector('header')?.append(tools);
if (home) searchCommands(tools, home.pathname);
followKeys(document.querySelector('form.call'));
// The next user of this browser is to see nothing of what this one has called.
document.querySelector('header .user form')?.addEventListener('submit', forgetAll);
followZone(tools);
showCalls();
