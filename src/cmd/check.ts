/** `sekisho check DIR`: every finding with its place, and a summary; exit code 1 when there are errors. */
import { staticSchema } from '#config/static/static.ts'
import { EXIT_FAILED, EXIT_OK } from './command.ts'
import type { Command } from './command.ts'
import { checkedDirectory } from './directory.ts'
import { countFindings, countsText, findingText, inFileOrder, plural } from './findings-text.ts'
import { readSnapshot } from './snapshot.ts'
import { DIRECTORY, staticConfigOf } from './up.ts'

export const checkCommand: Command = {
  name: 'check',
  summary: 'say what is wrong or doubtful in a directory of manifests',
  description:
    'Reads DIR as `sekisho up` would, with the same flags, and prints every finding as FILE:LINE:COLUMN: SEVERITY: …\n' +
    'with what can be done about it. Serves nothing. Exit code 1 when there is an error, 2 when a flag is wrong.',
  positionals: [DIRECTORY],
  schema: staticSchema,
  run: async (invocation) => {
    const dir = await checkedDirectory(invocation.positionals[0] ?? '')
    const snapshot = await readSnapshot(dir, staticConfigOf(invocation))
    const { findings, program, services, certificateCount } = snapshot
    const lines = inFileOrder(findings).map(findingText)
    const counts = countFindings(findings)
    lines.push(
      `${dir}: ${plural(program.size, 'router')}, ${plural(services.size, 'service')}, ` +
        `${plural(certificateCount, 'certificate')}; ${countsText(counts)}\n`,
    )
    process.stdout.write(lines.join(''))
    return counts.errors > 0 ? EXIT_FAILED : EXIT_OK
  },
}
