// Collects from the source what a user can meet: errors of commands, refusals, log lines, thrown errors.
import { SyntaxKind as Kind, NodeFlags, SymbolFlags, walk, withSources } from './sources.mjs';

const logLevels = ['debug', 'info', 'warn', 'error'];

/** Codes of several lines, which mean the same. */
const sharedCodes = new Set([
  'certificate-kept',
  'certificate-unchanged',
  'command-returned-nothing',
  'connection-cut',
  'key-readable',
  'log-lines-lost',
  'module-ignored',
  'reply-given-up',
  'syslog-unreachable',
]);

/** Functions and classes that report what is wrong in a configuration file: where the text stands in their arguments, and the code. */
const diagnostics = {
  diagnosticAt: { textAt: 2, code: undefined },
  SyntaxFault: { textAt: 1, code: 'ERR_SYNTAX' },
  '#error': { textAt: 1, code: 'ERR_SYNTAX' },
  fail: { textAt: 0, code: 'ERR_MODULE' },
};

/** Files whose errors get their code where they leave the folder, or are only seen as the reason of another error. */
const codedOutside = [
  [/^http\/engine\//, 'ERR_ENGINE'],
  [/^http\/login\//, 'ERR_ACCOUNTS'],
  [/^http\/tls\/(ciphers|suites)/, 'ERR_PARAMETER'],
  [/^(base\/der|http\/tls\/)/, 'ERR_CERTIFICATE'],
];

/** Classes of errors that become replies. */
const answers = new Set(['MiError', 'MiAnswer']);

/** Functions and classes that make an MiError of a text, and its code. */
const shortcuts = { invalidParams: 'invalidParams', serverError: 'serverError' };

/**
 * All messages, each once, in order of their texts. Parts that vary stand in braces: `no command {name}`.
 *
 * @returns lists of objects: `commandErrors` (code or its name, message, data), `refusals` (status, text), `logLines` (code,
 *   level, text), `configErrors` (code, text), `thrown` (floor, code, text)
 * @throws Error for a code of the log without a line, and for one of several lines that is not listed here as such; for an
 *   error without a code, and for a code of errors that none has
 */
export function collectMessages() {
  return withSources('tsconfig.build.json', 'src', (files, checker) => {
    const found = { commandErrors: [], refusals: [], configErrors: [], thrown: [] };
    const log = new LogLines(namesOf(files.get('base/codes.ts'), 'LogCode'));
    const texts = new Texts(checker);
    for (const [file, tree] of files) {
      const floor = file.includes('/') ? file.slice(0, file.indexOf('/')) : '';
      walk(tree, (node) => {
        if (node.kind === Kind.NewExpression || node.kind === Kind.CallExpression) {
          collect(node, { file, floor, texts }, found);
          log.ofCall(node, texts);
        } else if (node.kind === Kind.ObjectLiteralExpression) {
          log.ofObject(node, texts);
        }
      });
    }
    const given = new Set([...found.thrown, ...found.configErrors].map(({ code }) => code));
    const unused = namesOf(files.get('base/codes.ts'), 'ErrorCode').filter((code) => !given.has(code));
    if (unused.length > 0) throw new Error(`no error has the code ${unused.join(', ')}: take it out of ErrorCode`);
    for (const [name, list] of Object.entries(found))
      found[name] = eachOnce(list.filter(({ text = 'said' }) => isSaid(text)));
    return { ...found, logLines: eachOnce(log.lines()) };
  });
}

function collect(node, { file, floor, texts: source }, found) {
  const render = (one) => source.render(one);
  const name = nameOf(node.expression);
  const args = [...(node.arguments ?? [])];
  if (answers.has(name)) {
    const [[code] = [''], [message] = [''], texts = ['']] = args.map(render);
    for (const data of texts) found.commandErrors.push({ code: code.replaceAll(/[{}]/g, ''), message, data });
    return;
  }
  if (Object.hasOwn(shortcuts, name)) {
    for (const data of render(args[0])) {
      found.commandErrors.push({ code: shortcuts[name], message: '{undefined}', data });
    }
    return;
  }
  const statusAt = args.findIndex(({ kind, text }) => kind === Kind.NumericLiteral && /^[45]\d\d$/.test(text));
  const reason = args[statusAt + 1];
  if (statusAt !== -1 && reason !== undefined) {
    for (const text of render(reason).filter((one) => !one.startsWith('{"')))
      found.refusals.push({ status: args[statusAt].text, text });
  } else if (Object.hasOwn(diagnostics, name) && args[diagnostics[name].textAt] !== undefined) {
    const { textAt, code = args[0].text } = diagnostics[name];
    for (const text of render(args[textAt])) found.configErrors.push({ code, text });
  } else if (node.kind === Kind.NewExpression && (name.endsWith('Error') || isCoded(node))) {
    // Its code is that of a reply.
    if (answers.has(source.extendedBy(node.expression))) return;
    const texts = args.map(render).find((some) => some.some(isSaid)) ?? [''];
    const code = isCoded(node)
      ? (codeOfSystem(node) ?? node.parent.arguments[0].text)
      : (source.memberOf(node.expression, 'code') ?? codedOutside.find(([files]) => files.test(file))?.[1]);
    if (code === undefined)
      throw new Error(`src/${file}: give the error a code: coded('ERR_…', new ${name}('${texts[0]}'))`);
    for (const text of texts) found.thrown.push({ floor, code, text });
  }
}

/** True for an error that is given its code where it is made. */
function isCoded({ parent }) {
  return parent.kind === Kind.CallExpression && /^coded(BySystem)?$/.test(nameOf(parent.expression));
}

function codeOfSystem({ parent }) {
  return nameOf(parent.expression) === 'codedBySystem' ? 'EADDRINUSE, …' : undefined;
}

/** Lines of the log, found by their codes. */
class LogLines {
  #codes;
  /** Where a code is given, by code: each place with its level and its texts. */
  #places = new Map();

  /** @param codes those that a line may have */
  constructor(codes) {
    this.#codes = new Set(codes);
  }

  /** `log.warn({ code: 'x' }, text)`, and `warn('x', text)` of functions that pass both on. */
  ofCall({ expression, arguments: [first, text] }, texts) {
    const code = this.#codeOf(first, texts) ?? this.#codeOfText(first);
    if (code === undefined || text === undefined) return;
    const name = expression.kind === Kind.ElementAccessExpression ? expression.argumentExpression : expression;
    const called = logLevels.includes(nameOf(name)) ? [nameOf(name)] : texts.render(name);
    const levels = called.filter((one) => logLevels.includes(one));
    this.#add(code, levels.length === 0 ? ['warn'] : levels, texts.render(text));
  }

  /** `{ code: 'x', text }` of a notice, and `{ level: 'info', fields: { code: 'x' }, text }` */
  ofObject(node, texts) {
    const { level, fields, text } = membersOf(node);
    const code = this.#codeOf(fields ?? node, texts);
    if (code === undefined || text === undefined) return;
    this.#add(code, level === undefined ? ['warn'] : texts.render(level), texts.render(text));
  }

  /** @throws Error for a code that is of no line, or of several */
  lines() {
    const unused = [...this.#codes].filter((code) => !this.#places.has(code));
    if (unused.length > 0)
      throw new Error(`no line of the log has the code ${unused.join(', ')}: take it out of LogCode`);
    for (const [code, places] of this.#places) {
      if (places.length > 1 === sharedCodes.has(code)) continue;
      throw new Error(`code ${code} is of ${places.length} lines: give each its own, or see sharedCodes`);
    }
    return [...this.#places].flatMap(([code, places]) => places.flat().map((line) => ({ code, ...line })));
  }

  /** Without words of its own, one text will do. */
  #add(code, levels, rendered) {
    const texts = rendered.some(isSaid) ? rendered.filter(isSaid) : rendered.slice(0, 1);
    const places = this.#places.get(code) ?? [];
    places.push(levels.flatMap((level) => texts.map((text) => ({ level, text }))));
    this.#places.set(code, places);
  }

  /** The code of an object of fields, which may be a constant. */
  #codeOf(node, texts) {
    const object = texts.objectOf(node);
    return object === undefined ? undefined : this.#codeOfText(membersOf(object).code);
  }

  #codeOfText(node) {
    return node?.kind === Kind.StringLiteral && this.#codes.has(node.text) ? node.text : undefined;
  }
}

/** What the members of an object literal are set to, by name. */
function membersOf({ properties }) {
  return Object.fromEntries(properties.map((one) => [one.name?.text, one.initializer ?? one.name]));
}

/** The texts of a union type. */
function namesOf(tree, name) {
  const names = [];
  walk(tree, (node) => {
    if (node.kind !== Kind.TypeAliasDeclaration || node.name.text !== name) return;
    walk(node.type, ({ kind, text }) => kind === Kind.StringLiteral && names.push(text));
  });
  return names;
}

/** A text that is more than what stands in other texts. */
export function isSaid(text) {
  return /[A-Za-z]{2}/.test(text.replaceAll(/\{[^{}]*\}/g, ''));
}

/** Without repetitions, in an order that does not depend on the names of the parts that vary. */
function eachOnce(list) {
  const byText = new Map(list.map((one) => [withoutNames(JSON.stringify(one)), one]));
  const order = ({ status = '', code = '', floor = '', message = '', text = message }) =>
    withoutNames(`${status}${code}${floor} ${text}`);
  return [...byText.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1));
}

/** A text in which the parts that vary have no names: a variable may be renamed. */
export function withoutNames(text) {
  return text.replaceAll(/\{[^{}"]*\}/g, '{}');
}

function nameOf(expression) {
  if (expression?.kind === Kind.PropertyAccessExpression) return expression.name.text;
  return expression?.kind === Kind.Identifier ? expression.text : '';
}

/** Writes expressions as the texts that they give. */
class Texts {
  #checker;

  constructor(checker) {
    this.#checker = checker;
  }

  /** All texts that an expression may give. */
  render(node) {
    return this.#texts(node, 0) ?? [this.#hole(node, 0)];
  }

  /** The object literal that an expression is, or the constant that it names; undefined for anything else. */
  objectOf(node) {
    switch (node?.kind) {
      case Kind.ObjectLiteralExpression:
        return node;
      case Kind.AsExpression:
      case Kind.SatisfiesExpression:
        return this.objectOf(node.expression);
      case Kind.Identifier: {
        const declaration = this.#declaration(node);
        return isConstant(declaration) ? this.objectOf(declaration.initializer) : undefined;
      }
    }
    return undefined;
  }

  /** The text that a class sets a member to, itself or the one that it extends; undefined where none does. */
  memberOf(name, member) {
    const declared = this.#declaration(name);
    if (declared?.kind !== Kind.ClassDeclaration) return undefined;
    const own = declared.members.find((one) => one.kind === Kind.PropertyDeclaration && one.name.text === member);
    if (own?.initializer !== undefined) return own.initializer.text;
    const [base] = declared.heritageClauses?.[0]?.types ?? [];
    return base === undefined ? undefined : this.memberOf(base.expression, member);
  }

  /** The name of the class that a class extends. */
  extendedBy(name) {
    return nameOf(this.#declaration(name)?.heritageClauses?.[0]?.types[0]?.expression);
  }

  /** The texts that a function returns. */
  returned(node, depth = 0) {
    if (node.body === undefined) return [];
    if (node.body.kind !== Kind.Block) return this.#texts(node.body, depth) ?? [];
    const results = [];
    const visit = (one) => {
      if (one.kind === Kind.ReturnStatement && one.expression !== undefined) {
        results.push(...(this.#texts(one.expression, depth) ?? [this.#hole(one.expression, depth)]));
      } else if (one.body === undefined || one.kind === Kind.Block) {
        one.forEachChild(visit);
      }
    };
    node.body.forEachChild(visit);
    return results.some(isSaid) ? results : [];
  }

  /** @returns undefined for an expression of which nothing is known */
  #texts(node, depth) {
    if (depth > deepest) return undefined;
    const inner = (one) => this.#texts(one, depth + 1);
    const union = (...sides) => {
      const all = sides.filter(({ text }) => text !== 'undefined').map((side) => [side, inner(side)]);
      if (all.every(([, texts]) => texts === undefined)) return undefined;
      return all.flatMap(([side, texts]) => texts ?? [this.#hole(side, depth)]);
    };
    switch (node.kind) {
      case Kind.StringLiteral:
      case Kind.NoSubstitutionTemplateLiteral:
      case Kind.NumericLiteral:
        return [node.text];
      case Kind.TemplateExpression:
        return node.templateSpans.reduce(
          (texts, { expression, literal }) => combine(combine(texts, this.#part(expression, depth)), [literal.text]),
          [node.head.text],
        );
      case Kind.TaggedTemplateExpression:
        return inner(node.template);
      case Kind.ArrayLiteralExpression:
        return someOf([...node.elements].flatMap((one) => inner(one) ?? []));
      case Kind.SpreadElement:
      case Kind.ParenthesizedExpression:
        return inner(node.expression);
      case Kind.ConditionalExpression:
        return union(node.whenTrue, node.whenFalse);
      case Kind.BinaryExpression: {
        const { left, right } = node;
        if (node.operatorToken.kind === Kind.QuestionQuestionToken) return union(left, right);
        if (node.operatorToken.kind !== Kind.PlusToken) return undefined;
        const [start, end] = [inner(left), inner(right)];
        if (![start, end].some((texts) => texts?.some((text) => /\D/.test(text)))) return undefined;
        return combine(start ?? [this.#hole(left, depth)], end ?? [this.#hole(right, depth)]);
      }
      case Kind.Identifier:
      case Kind.PropertyAccessExpression: {
        const declaration = this.#declaration(node);
        if (declaration?.kind === Kind.GetAccessor) return someOf(this.returned(declaration, depth + 1));
        return isConstant(declaration) ? inner(declaration.initializer) : undefined;
      }
      case Kind.ElementAccessExpression: {
        const { initializer } = this.#declaration(node.expression) ?? {};
        const members = initializer?.kind === Kind.ObjectLiteralExpression ? [...initializer.properties] : [];
        return someOf(members.flatMap((one) => (one.initializer === undefined ? [] : (inner(one.initializer) ?? []))));
      }
      case Kind.CallExpression: {
        const called = this.#declaration(node.expression);
        return called === undefined ? undefined : someOf(this.returned(called, depth + 1));
      }
    }
    return undefined;
  }

  /** The texts of an expression within a template: where it is a choice of texts each of them, else its name in braces. */
  #part(node, depth) {
    const isWritten = [Kind.ConditionalExpression, Kind.BinaryExpression, Kind.ParenthesizedExpression].includes(
      node.kind,
    );
    return (isWritten ? this.#texts(node, depth + 1) : undefined) ?? [this.#hole(node, depth)];
  }

  /** A part that varies: `{name}`; a constant is written out. */
  #hole(node, depth) {
    if (node.kind === Kind.Identifier) {
      const declaration = this.#declaration(node);
      const value = isConstant(declaration) ? declaration.initializer : undefined;
      const isPlain = value?.kind === Kind.StringLiteral || value?.kind === Kind.NumericLiteral;
      return isPlain ? value.text : `{${node.text}}`;
    }
    if (node.kind === Kind.PropertyAccessExpression) return `{${node.name.text.replace('#', '')}}`;
    if (node.kind === Kind.CallExpression) {
      const called = nameOf(node.expression).replace('#', '');
      if (called === 'suggestNames') return '{suggestion}';
      const parts = [node.arguments[0], node.expression.expression];
      const varying = parts.find((one) => one?.kind === Kind.CallExpression || nameOf(one) !== '');
      return varying === undefined || depth > deepest ? `{${called}}` : this.#hole(varying, depth + 1);
    }
    return node.left === undefined ? '{…}' : this.#hole(node.left, depth);
  }

  /** Where an identifier or a member is declared; undefined outside of the source. */
  #declaration(node) {
    const name = node.kind === Kind.PropertyAccessExpression ? node.name : node;
    const isShorthand = node.parent?.kind === Kind.ShorthandPropertyAssignment;
    let symbol = isShorthand
      ? this.#checker.getShorthandAssignmentValueSymbol(node.parent)
      : this.#checker.getSymbolAtLocation(name);
    if (symbol !== undefined && symbol.flags & SymbolFlags.Alias) symbol = this.#checker.getAliasedSymbol(symbol);
    const handle = symbol?.valueDeclaration;
    return handle === undefined || /node_modules/.test(handle.path) ? undefined : handle.resolve();
  }
}

/** Steps that are followed from an expression to the texts that it gives. */
const deepest = 6;

function isConstant(declaration) {
  if (declaration?.initializer === undefined) return false;
  if (declaration.kind === Kind.VariableDeclaration) return (declaration.parent.flags & NodeFlags.Const) !== 0;
  return declaration.kind === Kind.PropertyDeclaration && /^(static )?readonly /.test(declaration.getText());
}

function someOf(list) {
  return list.length === 0 ? undefined : list;
}

/** Each text of the left side with each of the right side. */
function combine(left, right) {
  return left.flatMap((start) => right.map((end) => start + end));
}
