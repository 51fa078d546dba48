/** `sekisho version`. */
import { object } from '#lib/schema/composites.ts'
import { EXIT_OK } from './command.ts'
import type { Command } from './command.ts'
import { packageVersion } from './package-info.ts'

export const versionCommand: Command = {
  name: 'version',
  summary: 'print the versions of sekisho and of its Node',
  description: 'Prints the versions of sekisho and of the Node that runs it.',
  positionals: [],
  schema: object({}),
  run: () => {
    const { node, openssl } = process.versions
    process.stdout.write(
      `sekisho ${packageVersion()} (node ${node}, openssl ${openssl}, ${process.platform} ${process.arch})\n`,
    )
    return Promise.resolve(EXIT_OK)
  },
}
