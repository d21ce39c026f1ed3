// docs/reference/parameters.md and cli.md, from what modules declare and what --help prints.
import { page, table } from './markdown.mjs';

const parametersIntro = `A configuration file sets a parameter by \`modparam("MODULE", "NAME", VALUE)\`, an embedder by an option of \`createServer\`:
\`createServer({ MODULE: { NAME: VALUE } })\`. [Configure](../guide/configure.md) tells more.`;

/** The parameters of all modules. */
export function parametersPage({ loadableModules }) {
  const names = loadableModules.map(({ name }) => `[${name}](#${name})`).join(' · ');
  const sections = loadableModules.map(
    ({ name, parameters }) =>
      `## ${name}\n\n${table([
        ['parameter', 'type', 'default', 'range', 'meaning'],
        ...Object.entries(parameters).map(([parameter, declared]) => parameterRow(parameter, declared)),
      ])}`,
  );
  return page('Parameters', parametersIntro, `Modules: ${names}`, ...sections);
}

function parameterRow(parameter, declared) {
  const names = [parameter, ...(declared.aliases ?? [])].map((text) => `\`${text}\``).join(', ');
  if ('refused' in declared) {
    const effect = declared.isShared ? 'without effect, with a warning' : 'rejected';
    return [names, declared.type, '', '', `${declared.help}; ${effect}: ${declared.refused}`];
  }
  const unit = declared.unit === undefined ? '' : ` ${declared.unit}`;
  const isNone = declared.type === 'list' || declared.default === undefined;
  return [
    names,
    declared.type,
    isNone ? 'none' : `\`${JSON.stringify(declared.default)}\``,
    declared.type === 'int' ? `${declared.min} to ${declared.max ?? 2147483647}${unit}` : '',
    declared.help,
  ];
}

/** The command, and the verbs that it has. */
export function commandLinePage({ usage, loadUsage, dumpUsage, passwdUsage, tokenUsage }) {
  const texts = {
    'mi-httpd': usage,
    'mi-httpd load': loadUsage,
    'mi-httpd dump': dumpUsage,
    'mi-httpd passwd': passwdUsage,
    'mi-httpd token': tokenUsage,
  };
  const sections = Object.entries(texts).map(([name, text]) => `## ${name}\n\n\`\`\`text\n${text}\`\`\``);
  const more = `[Signals](../guide/production.md#signals) has the effect of each signal at each moment.
[Errors](errors.md#exit-statuses) lists the exit statuses.`;
  return page('Command line', more, ...sections);
}
