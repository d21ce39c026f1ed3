// Gives the parameters of modules in dist/index.d.cts the docstrings that editors show for the options of createServer: the help
// that each one declares, its default and its range. A step of the build; see steps.mjs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadProject } from './docs/project.mjs';
import { root } from './steps.mjs';

const file = join(root, 'dist/index.d.cts');
const { loadableModules } = await loadProject();
const begin = 'declare const loadableModules: readonly [';
const [before, rest] = readFileSync(file, 'utf8').split(begin);
if (rest === undefined) throw new Error('dist/index.d.cts does not declare loadableModules');
const end = rest.indexOf('\n}, "', rest.lastIndexOf(`"${loadableModules.at(-1).name}">`) - 5);
const modules = rest.slice(0, end).split(/^\}, "\w+">, /m);
if (modules.length !== loadableModules.length) throw new Error('dist/index.d.cts does not have the modules one by one');
const documented = modules.map((text, index) => {
  const { name, parameters } = loadableModules[index];
  const left = new Set(Object.keys(parameters));
  const made = text.replace(/^ {2}readonly (\w+): .*$/gm, (line, parameter) => {
    if (!left.delete(parameter)) throw new Error(`module ${name} has no parameter ${parameter}`);
    return `  /** ${aboutOf(parameters[parameter])} */\n${line}`;
  });
  if (left.size > 0) throw new Error(`dist/index.d.cts lacks ${[...left].join(', ')} of module ${name}`);
  return index === 0 ? made : `}, "${loadableModules[index - 1].name}">, ${made}`;
});
writeFileSync(file, `${before}${begin}${documented.join('')}${rest.slice(end)}`);

/** `Most connections open at once. Default 1000, 1 to 65536.` */
function aboutOf(declared) {
  const { help, type, refused, unit } = declared;
  const sentence = `${help.charAt(0).toUpperCase()}${help.slice(1)}.`.replaceAll('*/', '*\\/');
  if (refused !== undefined || type === 'list') return sentence;
  const range = type === 'int' ? `${declared.min ?? -2147483648} to ${declared.max ?? 2147483647}` : '';
  const values = [
    declared.default === undefined ? '' : `default ${JSON.stringify(declared.default)}`,
    range === '' || unit === undefined ? range : `${range} ${unit}`,
  ].filter((value) => value !== '');
  const more = values.join(', ').replaceAll('*/', '*\\/');
  return more === '' ? sentence : `${sentence} ${more.charAt(0).toUpperCase()}${more.slice(1)}.`;
}
