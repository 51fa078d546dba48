/**
 * Entry of the program: finds the command, runs it, sets the exit code. Started by bin/sekisho.
 * Only the command that was asked for is imported.
 */
import { errorText } from '#lib/errors.ts'
import { nearestName } from '#lib/schema/nearest.ts'
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, helpText, runCommand } from './command.ts'
import { COMMANDS } from './commands.ts'

/** After its command the program ends by itself; after this long it is ended. */
const EXIT_GRACE_MS = 2000

const USAGE = 'sekisho COMMAND [arguments] [flags]'

/** Exit code for these arguments (without node and script). */
export async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  if (
    first === undefined ||
    first === '--help' ||
    first === '-h' ||
    (first === 'help' && rest.length === 0)
  ) {
    const isAsked = first !== undefined
    ;(isAsked ? process.stdout : process.stderr).write(overview())
    return isAsked ? EXIT_OK : EXIT_USAGE
  }
  const isHelp = first === 'help'
  const name = isHelp ? (rest[0] ?? '') : first === '--version' ? 'version' : first
  const entry = COMMANDS.find((candidate) => candidate.name === name)
  if (entry === undefined) {
    process.stderr.write(`sekisho: ${unknownCommand(name)}\n`)
    return EXIT_USAGE
  }
  const command = await entry.load()
  if (isHelp) {
    process.stdout.write(helpText(command))
    return EXIT_OK
  }
  return runCommand(command, rest)
}

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length))
  const lines = COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.summary}\n`)
  return `${USAGE}\n\nCommands:\n${lines.join('')}\nsekisho COMMAND --help explains one.\n`
}

function unknownCommand(name: string): string {
  if (name.startsWith('-')) return `flags come behind the command: ${USAGE}`
  const nearest = nearestName(
    name,
    COMMANDS.map((command) => command.name),
  )
  const hint = nearest === undefined ? 'see sekisho --help' : `did you mean sekisho ${nearest}?`
  return `${JSON.stringify(name)} is not a command (${hint})`
}

/** Standard output cannot be written: a full disk, not a reader that has seen enough. */
let hasLostOutput = false
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `sekisho routes DIR | head -1` is no error of anybody's.
  if (error.code === 'EPIPE' || hasLostOutput) return
  hasLostOutput = true
  process.exitCode = EXIT_FAILED
  process.stderr.write(`sekisho: standard output cannot be written: ${error.message}\n`)
})
// Nobody is left to be told.
process.stderr.on('error', () => {})

try {
  const code = await main(process.argv.slice(2))
  process.exitCode = hasLostOutput ? EXIT_FAILED : code
} catch (error) {
  process.stderr.write(`sekisho: ${errorText(error)}\n`)
  if (process.env['SEKISHO_DEBUG'] !== undefined && error instanceof Error)
    process.stderr.write(`${error.stack}\n`)
  process.exitCode = EXIT_FAILED
}

// A command that is done is done: something left behind may not keep the program alive.
setTimeout(() => process.exit(), EXIT_GRACE_MS).unref()
