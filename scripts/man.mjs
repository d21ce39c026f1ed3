// The man page and the completions of shells, from the texts of --help: each says its options once.
import { version } from './packages.mjs';

/**
 * The parts of a text of --help.
 *
 * @param {string} text
 */
export function partsOf(text) {
  const [head, ...blocks] = text.trimEnd().split('\n\n');
  const [name, summary] = [head.slice(0, head.indexOf(':')), head.slice(head.indexOf(':') + 2)];
  const usage = [];
  const entries = [];
  const paragraphs = [];
  for (const block of blocks) {
    if (block.startsWith('usage: '))
      usage.push(
        ...block
          .replace('usage: ', '       ')
          .split('\n')
          .map((line) => line.slice(7)),
      );
    else if (block.startsWith(' ')) entries.push(...entriesOf(block));
    else paragraphs.push(...block.split(/\n(?=\S)/).map((part) => part.replace(/\s*\n\s+/g, ' ')));
  }
  return { name, summary, usage, entries, paragraphs: joined(paragraphs) };
}

/** Lines that begin no sentence of their own go on with the one before. */
function joined(paragraphs) {
  const whole = [];
  for (const part of paragraphs) {
    if (whole.length === 0 || /^(signals|exit status): /.test(part)) whole.push(part);
    else whole.push(`${whole.pop()} ${part}`);
  }
  return whole;
}

/** What is explained: options by all their names, or an argument, each with the lines behind it. */
function entriesOf(block) {
  const entries = [];
  for (const line of block.split('\n')) {
    const [, term, text] = /^ {2,6}(\S(?:.*?\S)?)(?: {2,}(.*))?$/.exec(line) ?? [];
    const isNew = term !== undefined && /^ {2}\S| {6}--/.test(line) && !/^ {7}/.test(line);
    if (isNew) entries.push({ term, lines: text === undefined ? [] : [text] });
    else entries.at(-1).lines.push(line.trim());
  }
  return entries.map(({ term, lines }) => ({ term, names: term.match(/(?<![\w-])--?[a-zA-Z][\w-]*/g) ?? [], lines }));
}

/** Options that are followed by a value, and how a shell completes it: by files, by words, or not. */
function valuesOf(parts) {
  return parts.flatMap(({ entries }) =>
    entries.flatMap(({ term, names, lines }) => {
      const value = /--?[\w-]+ ([A-Z]+)$/.exec(term)?.[1];
      if (value === undefined || names.length === 0) return [];
      const levels = value === 'LEVEL' ? /: ((?:\w+, )+\w+)/.exec(lines.join(' '))?.[1].split(', ') : undefined;
      return [{ names, kind: levels ?? (value === 'FILE' ? 'file' : 'none') }];
    }),
  );
}

function verbOf({ name }) {
  return name.split(' ')[1];
}

/** The page of section 8, in the language of man(7). */
export function manPage(texts, date) {
  const parts = texts.map(partsOf);
  const [main, ...verbs] = parts;
  const lines = [
    `.TH MI\\-HTTPD 8 ${date} "mi\\-httpd ${version}" "System administration"`,
    '.SH NAME',
    `mi\\-httpd \\- ${roff(main.summary)}`,
    '.SH SYNOPSIS',
    '.nf',
    ...parts
      .flatMap(({ name, usage }) => usage.filter((line) => line.startsWith(name)))
      .filter(isFirst)
      .map(roff),
    '.fi',
    '.SH OPTIONS',
    ...entryLines(main),
    ...main.paragraphs.flatMap((text) => {
      const [, title, rest] = /^(signals|exit status): ([\s\S]*)$/.exec(text) ?? [];
      return [`.SH ${(title ?? 'notes').toUpperCase()}`, roff(rest ?? text)];
    }),
    ...verbs.flatMap((verb) => [
      `.SH ${roff(verb.name.toUpperCase())}`,
      roff(`${verb.summary[0].toUpperCase()}${verb.summary.slice(1)}.`),
      ...entryLines(verb),
      ...verb.paragraphs.flatMap((text) => ['.PP', roff(text)]),
    ]),
    '.SH FILES',
    ...[
      ['/etc/mi-httpd/mi-httpd.cfg', 'the configuration'],
      ['/etc/mi-httpd/users', 'users, made by mi-httpd passwd, where auth_file names it'],
      ['/etc/mi-httpd/tokens', 'tokens, made by mi-httpd token, where auth_tokens names it'],
    ].flatMap(([file, text]) => ['.TP', `.B ${roff(file)}`, roff(text)]),
    '.SH SEE ALSO',
    roff('The guides and references in /usr/share/doc/mi-httpd.'),
  ];
  return `${lines.join('\n')}\n`;
}

function isFirst(line, index, all) {
  return all.indexOf(line) === index;
}

function entryLines({ entries }) {
  return entries.flatMap(({ term, lines }) => ['.TP', `.B ${roff(term)}`, roff(lines.join('\n'))]);
}

/** Text that man(7) shows as it is. */
function roff(text) {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replace(/^([.'])/gm, '\\&$1');
}

/** For bash-completion. */
export function bashCompletion(texts) {
  const parts = texts.map(partsOf);
  const verbs = parts.slice(1).map(verbOf);
  const cases = valuesOf(parts).map(({ names, kind }) => {
    const action = kind === 'file' ? 'compgen -f' : kind === 'none' ? undefined : `compgen -W '${kind.join(' ')}'`;
    return `    ${names.join(' | ')}) ${action === undefined ? 'return' : `mapfile -t COMPREPLY < <(${action} -- "$word") && return`} ;;`;
  });
  const words = parts.map((part) => {
    const names = part.entries.flatMap(({ names }) => names).join(' ');
    return verbOf(part) === undefined ? `    *) words='${names}' ;;` : `    ${verbOf(part)}) words='${names}' ;;`;
  });
  return `# bash completion for mi-httpd, made of the texts of --help
_mi_httpd() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} words
  case $before in
${cases.filter(isFirst).join('\n')}
  esac
  case \${COMP_WORDS[1]} in
${[...words.slice(1), words[0]].join('\n')}
  esac
  [ "$COMP_CWORD" = 1 ] && words="$words ${verbs.join(' ')}"
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  case "$word \${COMP_WORDS[1]}" in
    -*) ;;
    *' load' | *' dump') mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word") ;;
  esac
}
complete -o filenames -F _mi_httpd mi-httpd
`;
}

/** For zsh. */
export function zshCompletion(texts) {
  const parts = texts.map(partsOf);
  const values = new Map(valuesOf(parts).flatMap(({ names, kind }) => names.map((name) => [name, kind])));
  const argument = (name) => {
    const kind = values.get(name);
    if (kind === undefined) return '';
    return kind === 'file' ? ':file:_files' : kind === 'none' ? ':value: ' : `:level:(${kind.join(' ')})`;
  };
  const specs = ({ entries }) =>
    entries.flatMap(({ names, lines }) =>
      names.map((name) => {
        const text = lines
          .join(' ')
          .replace(/[[\]]/g, '')
          .replaceAll('\\', '')
          .replaceAll("'", "'\\''")
          .replaceAll(':', '\\:');
        return `'${name}[${text}]${argument(name)}'`;
      }),
    );
  const [main, ...verbs] = parts;
  const call = (part, more) => `_arguments ${[...specs(part), ...more].join(' \\\n        ')}`;
  const cases = verbs.map((verb) => {
    const more = /(?<!>> )FILE/.test(verb.usage.join(' ').replace(/\[.*?\]/g, (text) => text.replace(/--.*/, '')))
      ? ["'*:file:_files'"]
      : [];
    return `    ${verbOf(verb)})\n      ${call(verb, more)} ;;`;
  });
  return `#compdef mi-httpd
# zsh completion for mi-httpd, made of the texts of --help
_mi_httpd() {
  case $words[2] in
${cases.join('\n')}
    *)
      ${call(main, [`'1:command:(${verbs.map(verbOf).join(' ')})'`])} ;;
  esac
}
_mi_httpd "$@"
`;
}
