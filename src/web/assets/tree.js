import { grouped } from '../quantities.ts';
import { button, element } from './element.js';
import { isContainer, isRecord } from './values.js';
import { visible } from './visible.js';

const portion = 200;
const openAtOnce = 60;

/** A JSON value as a tree that folds. Branches are made when they are opened, long ones a portion at a time. */
export function treeOf(value) {
  const tree = element('div', { className: 'tree' });
  if (isContainer(value)) tree.append(list(value, 0));
  else tree.append(leaf(value));
  return tree;
}

function list(value, depth) {
  const ordered = Array.isArray(value);
  const entries = ordered ? value.map((item, index) => [index, item]) : Object.entries(value);
  const made = element('ul', {});
  let next = 0;
  const more = element('li', { className: 'more' });
  const add = () => {
    const part = entries.slice(next, next + portion);
    next += part.length;
    more.remove();
    made.append(...part.map(([name, member]) => branch(name, member, ordered, depth)));
    const left = entries.length - next;
    if (left <= 0) return;
    more.replaceChildren(button(`${Math.min(portion, left)} more of ${grouped(left)} left`, add));
    made.append(more);
  };
  add();
  return made;
}

function branch(name, value, inArray, depth) {
  const key = element('span', { className: inArray ? 'index' : 'key', dir: 'auto' }, ...visible(String(name)));
  if (!isContainer(value)) return element('li', {}, key, leaf(value));
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  if (size === 0) return element('li', {}, key, element('span', { className: 'empty' }, isRecord(value) ? '{}' : '[]'));
  const noun = Array.isArray(value) ? 'item' : 'member';
  const count = element('span', { className: 'count' }, `${grouped(size)} ${noun}${size === 1 ? '' : 's'}`);
  const details = element('details', {}, element('summary', {}, key, count));
  let filled = false;
  const fill = () => {
    if (filled || !details.open) return;
    filled = true;
    details.append(list(value, depth + 1));
  };
  details.addEventListener('toggle', fill);
  details.open = depth < 2 && size <= openAtOnce;
  fill();
  return element('li', {}, details);
}

function leaf(value) {
  const kind = value === null ? 'null' : typeof value === 'object' ? 'number' : typeof value;
  return element('span', { className: `value ${kind}`, dir: 'auto' }, ...visible(String(value)));
}
