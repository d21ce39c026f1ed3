import { ctime } from '../../base/clock.js';
import { shapedCommand as command, type ParameterAbout } from '../../mi/commands/command.js';
import { either, flag, list, object, text, whole } from '../../mi/commands/shape.js';
import { MiAnswer } from '../../mi/errors.js';
import { mainIdentifier, type StatusIdentifier, type StatusReport } from '../../mi/status-reports.js';
import { defineBuiltIn } from '../../module.js';

const status = { Readiness: flag, Status: whole };
const details = { Details: text };
const namedStatus = object({ Name: text, ...status }, details);
const reportShape = object({ Timestamp: whole, Date: text, Log: text });
const namedReports = object({ Name: text, Reports: list(reportShape) });
const groupShape = object({ Group: text, Identifiers: list(text) });

/** The commands for readiness and its history. Always loaded. */
export const statusReportModule = defineBuiltIn({
  name: 'status_report',
  load: ({ status: { groups } }) => {
    const membersOf = (group: string): ReadonlyMap<string, StatusIdentifier> => {
      const members = groups.get(group);
      if (members === undefined) throw new MiAnswer(404, 'Group not found');
      return members;
    };
    const named: ParameterAbout = { help: 'A group of parts of the server.', suggest: () => [...groups.keys()] };
    return {
      commands: [
        command({
          name: 'get',
          aliases: ['sr_get_status'],
          readOnly: true,
          help: 'Tells whether an identifier of a group (main) is ready, or with all, whether all of them are.',
          recipes: [{ group: 'string' }, { group: 'string', identifier: 'string' }],
          parameters: {
            group: named,
            identifier: { help: 'A part of the group; with `all`, all of them.', default: mainIdentifier },
          },
          result: object(status, details),
          run: ({ group, identifier = mainIdentifier }) => {
            const members = membersOf(group);
            if (identifier === 'all') return aggregated([...members.values()]);
            const found = members.get(identifier);
            if (found === undefined) throw new MiAnswer(404, 'Identity not found');
            return told(found);
          },
        }),
        command({
          name: 'status',
          aliases: ['sr_list_status'],
          readOnly: true,
          help: 'Lists what is ready and what is not, of all groups or of one.',
          recipes: [{}, { group: 'string' }],
          parameters: { group: named },
          result: either(list(object({ Name: text, Identifiers: list(namedStatus) })), list(namedStatus)),
          run: ({ group }) => {
            const listed = (members: ReadonlyMap<string, StatusIdentifier>) =>
              [...members.values()].map((one) => ({ Name: one.name, ...told(one) }));
            if (group !== undefined) return listed(membersOf(group));
            return [...groups].map(([Name, members]) => ({ Name, Identifiers: listed(members) }));
          },
        }),
        command({
          name: 'reports',
          aliases: ['sr_list_reports'],
          readOnly: true,
          help: 'Lists what was reported, oldest first, of all groups, one group, or one identifier.',
          recipes: [{}, { group: 'string' }, { group: 'string', identifier: 'string' }],
          parameters: { group: named, identifier: { help: 'A part of the group.' } },
          result: either(
            list(object({ Name: text, Identifiers: list(namedReports) })),
            list(namedReports),
            list(reportShape),
          ),
          run: ({ group, identifier }) => {
            const listed = (members: ReadonlyMap<string, StatusIdentifier>) =>
              [...members.values()].map(({ name, reports }) => ({ Name: name, Reports: reports.map(printed) }));
            if (group === undefined) {
              return [...groups].map(([Name, members]) => ({ Name, Identifiers: listed(members) }));
            }
            const members = membersOf(group);
            if (identifier === undefined) return listed(members);
            const found = members.get(identifier);
            if (found === undefined) throw new MiAnswer(404, 'Identifier not found');
            return found.reports.map(printed);
          },
        }),
        command({
          name: 'identifiers',
          aliases: ['sr_list_identifiers'],
          readOnly: true,
          help: 'Lists the identifiers of all groups, or of one.',
          recipes: [{}, { group: 'string' }],
          parameters: { group: named },
          result: either(list(groupShape), groupShape),
          run: ({ group }) => {
            if (group !== undefined) return { Group: group, Identifiers: [...membersOf(group).keys()] };
            return [...groups].map(([Group, members]) => ({ Group, Identifiers: [...members.keys()] }));
          },
        }),
      ],
    };
  },
});

function told({ isReady, status, details }: StatusIdentifier) {
  return { Readiness: isReady, Status: status, Details: details };
}

function aggregated(members: readonly StatusIdentifier[]) {
  const isReady = members.every((one) => one.isReady);
  return { Readiness: isReady, Status: isReady ? 1 : -1, Details: 'aggregated' };
}

function printed({ timestamp, text: line }: StatusReport) {
  return { Timestamp: timestamp, Date: ctime(timestamp * 1000), Log: line };
}
