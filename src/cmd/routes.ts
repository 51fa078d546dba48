/** `sekisho routes DIR`: the table of routes, in the order in which they are compared. */
import { defaultEntryPointNames, staticSchema } from '#config/static/static.ts'
import { routesTable } from '#explain/routes-table.ts'
import { EXIT_OK } from './command.ts'
import type { Command } from './command.ts'
import { checkedDirectory } from './directory.ts'
import { countFindings, plural, shortFile } from './findings-text.ts'
import { readSnapshot } from './snapshot.ts'
import { DIRECTORY, staticConfigOf } from './up.ts'

export const routesCommand: Command = {
  name: 'routes',
  summary: 'print the table of routes of a directory of manifests',
  description:
    'Reads DIR as `sekisho up` would, with the same flags, and prints one line per route: where it listens, host, path,\n' +
    'service, number of endpoints, middlewares, the place it comes from, and why it answers nothing, if it does not.',
  positionals: [DIRECTORY],
  schema: staticSchema,
  run: async (invocation) => {
    const dir = await checkedDirectory(invocation.positionals[0] ?? '')
    const config = staticConfigOf(invocation)
    const { program, services, findings } = await readSnapshot(dir, config)
    const lines = routesTable(program, {
      defaultEntryPoints: defaultEntryPointNames(config),
      service: (name) => services.get(name),
      fileText: shortFile,
    })
    process.stdout.write(lines.map((line) => `${line}\n`).join(''))
    const { errors } = countFindings(findings)
    if (lines.length === 0) process.stderr.write(`sekisho routes: ${dir} has no routes\n`)
    if (errors > 0)
      process.stderr.write(`sekisho routes: ${plural(errors, 'error')}, see: sekisho check ${dir}\n`)
    return EXIT_OK
  },
}
