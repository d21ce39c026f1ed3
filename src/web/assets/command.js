// The pages of commands: their forms and their results.
import { rememberCall } from './history.js';
import { tellPending } from './pending.js';
import { chooseRecipes } from './recipes.js';
import { showResult } from './result.js';

const form = document.querySelector('form.call');
const result = document.querySelector('section.result');

if (form) chooseRecipes(form);
for (const one of document.querySelectorAll('form[data-timeout]')) tellPending(one);
if (form && result) rememberCall(form, result);
if (result) showResult(result);
