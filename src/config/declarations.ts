import {
  aBoolean,
  aFunction,
  anObject,
  aText,
  checkGiven,
  checkMembers,
  type Members,
  oneOf,
  required,
  texts,
  type Wanted,
} from '../base/given.js';
import { INT32_MAX, INT32_MIN } from './lexer.js';
import type {
  IntParameter,
  ListParameter,
  ParameterDeclarations,
  RefusedParameter,
  StringParameter,
} from './parameter.js';

const types = ['int', 'string', 'list'] as const;

const aWhole: Wanted = {
  text: `a whole number from ${INT32_MIN} to ${INT32_MAX}`,
  is: (value) => Number.isInteger(value) && Number(value) >= INT32_MIN && Number(value) <= INT32_MAX,
};

const common = {
  help: required({
    text: 'a sentence that tells what it does',
    is: (value) => typeof value === 'string' && value !== '',
  }),
  aliases: texts,
  excludes: anObject,
  isShared: aBoolean,
  type: required(oneOf(types)),
  check: aFunction,
};

const int: Members<IntParameter> = { ...common, default: required(aWhole), min: aWhole, max: aWhole, unit: aText };

const string: Members<StringParameter> = { ...common, default: aText, secret: aBoolean, takesNumber: aBoolean };

const list: Members<ListParameter> = common;

const refused: Members<RefusedParameter> = { ...common, refused: required(aText) };

/** @throws TypeError for a parameter that a program declares in a way that has no meaning */
export function checkDeclarations(module: string, declarations: ParameterDeclarations): void {
  for (const [name, declaration] of Object.entries(declarations)) {
    const what = `parameter ${name} of module ${module}`;
    const given = declaration as { readonly type?: unknown; readonly refused?: unknown } | null | undefined;
    if (given?.type !== undefined) checkGiven(`type of ${what}`, given.type, common.type);
    const members = given?.type === 'int' ? int : given?.type === 'string' ? string : list;
    checkMembers(what, given, given?.refused === undefined ? members : refused);
  }
}
