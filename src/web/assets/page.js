// Additions to the pages by JavaScript. Without it they are complete: every link, form and result works as it is.
// Values come from SIP users: they reach the document as text alone, never as markup.
import { copyContacts } from './contacts.js';
import { forgetCalls, rememberCalls } from './history.js';
import { followKeys } from './keys.js';
import { followEvents } from './live.js';
import { compareStatistics, forgetStatistics } from './looked.js';
import { tellPending } from './pending.js';
import { chooseRecipes } from './recipes.js';
import { showResult } from './result.js';
import { searchCommands } from './search.js';
import { followZone } from './times.js';

const header = document.querySelector('header');
const home = document.querySelector('header h1 a');
const form = document.querySelector('form.call');
const result = document.querySelector('section.result');
const live = document.querySelector('#live');
const contacts = document.querySelector('#contacts');
const statistics = document.querySelector('section.statistics');

// On a phone the modules are one row that scrolls.
document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
if (header && home) searchCommands(header, home.pathname);
followKeys(form);
// The next user of this browser is to see nothing of what this one has called.
const leave = document.querySelector('header .user form');
for (const forget of [forgetCalls, forgetStatistics]) leave?.addEventListener('submit', forget);
if (header) followZone(header);
if (form) chooseRecipes(form);
for (const one of document.querySelectorAll('form[data-timeout]')) tellPending(one);
rememberCalls(form, result);
if (result) showResult(result);
if (live) followEvents(live);
if (contacts) copyContacts(contacts);
if (statistics) compareStatistics(statistics);
