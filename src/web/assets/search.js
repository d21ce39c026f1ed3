import { element } from './element.js';
import { isTyping } from './keys.js';
import { placesOf } from './palette.js';

const shown = 12;

/**
 * Adds the search over all commands, pages, statistics and contacts to the tools of the header. The keys / and Ctrl+K go there from anywhere on
 * the page.
 */
export function searchCommands(tools, home) {
  const list = element('ul', { id: 'found', role: 'listbox', 'aria-label': 'Commands', hidden: true });
  const input = element('input', {
    type: 'search',
    id: 'search',
    autocomplete: 'off',
    spellcheck: false,
    placeholder: 'Find a command',
    role: 'combobox',
    'aria-label': 'Find a command',
    'aria-controls': 'found',
    'aria-expanded': 'false',
    'aria-autocomplete': 'list',
    'aria-keyshortcuts': '/ Control+K',
  });
  const key = element('kbd', { 'aria-hidden': 'true' }, '/');
  tools.append(element('div', { role: 'search', className: 'search' }, input, key, list));

  const places = placesOf(home);
  let commands;
  let found = [];
  let active = 0;
  let asked = 0;

  const load = () => {
    commands ??= commandsOf(home).catch(() => {
      commands = undefined;
      return [];
    });
    return commands;
  };

  async function update() {
    asked += 1;
    const question = asked;
    const text = input.value;
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const all = await load();
    let fit = words.length === 0 ? all : all.filter((command) => words.every((word) => command.text.includes(word)));
    const rank = (command) => Math.min(...words.map((word) => rankOf(command.name.toLowerCase(), word)));
    if (words.length > 0) fit = fit.toSorted((a, b) => rank(a) - rank(b));
    if (question !== asked) return;
    draw(fit.slice(0, shown), fit.length > 0);
    const others = await places.find(words, text);
    // Another letter has come meanwhile.
    if (question !== asked || others.length === 0) return;
    draw([...fit.slice(0, shown - Math.min(others.length, shown / 2)), ...others], fit.length > 0);
  }

  function draw(options, hasCommands) {
    const before = found[active]?.href;
    found = options;
    active = Math.max(
      0,
      found.findIndex(({ href }) => href === before),
    );
    list.replaceChildren(
      ...found.map(({ name, help, kind, href }, index) =>
        element(
          'li',
          { role: 'option', id: `found-${index}`, onclick: () => location.assign(href) },
          element('span', { className: 'name' }, name),
          element('span', { className: 'help' }, kind ?? help),
        ),
      ),
    );
    if (!hasCommands) {
      const none = element(
        'li',
        { role: 'option', 'aria-disabled': 'true' },
        'No command has that in its names, parameters or help',
      );
      list.append(none);
    }
    open(document.activeElement === input);
  }

  function open(wanted) {
    list.hidden = !wanted;
    input.setAttribute('aria-expanded', String(wanted));
    if (wanted) point();
    else input.removeAttribute('aria-activedescendant');
  }

  function point() {
    for (const [index, option] of [...list.children].entries()) {
      option.setAttribute('aria-selected', String(index === active && found.length > 0));
    }
    if (found.length === 0) return input.removeAttribute('aria-activedescendant');
    input.setAttribute('aria-activedescendant', `found-${active}`);
    list.children[active]?.scrollIntoView({ block: 'nearest' });
  }

  input.addEventListener('input', () => {
    active = 0;
    found = [];
    void update();
  });
  input.addEventListener('focus', update);
  input.addEventListener('blur', () => open(false));
  // The blur of a click would close the list before the click arrives.
  list.addEventListener('pointerdown', (event) => event.preventDefault());
  input.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      if (list.hidden) open(true);
      const step = event.key === 'ArrowDown' ? 1 : found.length - 1;
      if (found.length > 0) active = (active + step) % found.length;
      point();
    } else if (event.key === 'Enter') {
      const chosen = found[active];
      if (chosen && !list.hidden) location.assign(chosen.href);
    } else if (event.key === 'Escape') {
      if (list.hidden) input.blur();
      input.value = '';
      open(false);
    }
  });
  document.addEventListener('keydown', (event) => {
    if (event.altKey || event.isComposing) return;
    const isPalette = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k';
    if (!isPalette && (event.key !== '/' || event.ctrlKey || event.metaKey || isTyping(event.target))) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

function rankOf(name, word) {
  const local = name.slice(name.indexOf(':') + 1);
  if (local.startsWith(word) || name.startsWith(word)) return 0;
  return name.includes(word) ? 1 : 2;
}

/** The start page lists every command with its help; a root that serves pages alone has it too. */
async function commandsOf(home) {
  let page = document;
  if (location.pathname.replace(/\/$/, '') !== home) {
    const response = await fetch(home, { headers: { Accept: 'text/html' } });
    if (!response.ok) throw new Error(`${home} gives ${response.status}`);
    page = new DOMParser().parseFromString(await response.text(), 'text/html');
  }
  return [...page.querySelectorAll('ul.commands > li')].flatMap((item) => {
    const link = item.querySelector('a');
    if (!link) return [];
    const name = link.textContent.trim();
    const help = item.querySelector('.help')?.textContent.trim() ?? '';
    return [
      {
        name,
        help,
        href: link.getAttribute('href'),
        text: `${item.textContent} ${item.dataset.names ?? ''}`.toLowerCase(),
      },
    ];
  });
}
