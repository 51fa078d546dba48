/**
 * What a command of the program is: a declaration that parses and documents its own flags, and a function that runs.
 * Each is a file of its own, imported only when it is called (registry: commands.ts), so that `sekisho --help`
 * loads next to nothing.
 */
import { ConfigError, formatIssue } from '#lib/errors.ts'
import type { Issue } from '#lib/errors.ts'
import { walkOptions } from '#lib/schema/walk.ts'
import type { AnySchema } from '#lib/schema/schema.ts'
import { parseFlags } from '#config/static/flags.ts'
import type { FlagTree } from '#config/static/flags.ts'

export const EXIT_OK = 0
/** The command ran and found something wrong. */
export const EXIT_FAILED = 1
/** The command line is wrong. */
export const EXIT_USAGE = 2

export interface Positional {
  /** `DIR` */
  readonly name: string
  readonly meaning: string
}

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Paragraphs for `--help`. */
  readonly description: string
  readonly positionals: readonly Positional[]
  /** Flags; a static configuration or something smaller. */
  readonly schema: AnySchema
  /** Receives arguments that have been checked for number and name; values are the schema's business. */
  run(invocation: Invocation): Promise<number>
}

export interface Invocation {
  readonly positionals: readonly string[]
  readonly flags: FlagTree
}

/** Wrong arguments: the message names the way out, the exit code is EXIT_USAGE. */
export class UsageError extends ConfigError {
  constructor(issues: readonly Issue[] | string) {
    super(issues, { prefix: '--' })
    this.name = 'UsageError'
  }
}

/** Parses the arguments behind the command's name and runs it; returns the exit code. */
export async function runCommand(command: Command, args: readonly string[]): Promise<number> {
  const { tree, positionals, issues, isHelp } = parseFlags(args, command.schema)
  if (isHelp) {
    process.stdout.write(helpText(command))
    return EXIT_OK
  }
  try {
    if (issues.length > 0) throw new UsageError(issues)
    checkCount(command, positionals)
    return await command.run({ positionals, flags: tree })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    for (const line of error.message.split('\n')) process.stderr.write(`sekisho ${command.name}: ${line}\n`)
    process.stderr.write(`try: sekisho ${command.name} --help\n`)
    return EXIT_USAGE
  }
}

/** Warnings about options, on standard error. */
export function printWarnings(warnings: readonly Issue[]): void {
  for (const warning of warnings) process.stderr.write(`sekisho: warning: ${formatIssue(warning, '--')}\n`)
}

function checkCount(command: Command, given: readonly string[]): void {
  const missing = command.positionals[given.length]
  if (missing !== undefined) throw new UsageError(`${missing.name} is missing: ${missing.meaning}`)
  const extra = given[command.positionals.length]
  if (extra !== undefined) {
    throw new UsageError(`${JSON.stringify(extra)} is one argument too many (usage: ${usageLine(command)})`)
  }
}

function usageLine(command: Command): string {
  const names = command.positionals.map((positional) => ` ${positional.name}`).join('')
  return `sekisho ${command.name}${names} [flags]`
}

/** The whole text of `sekisho COMMAND --help`. */
export function helpText(command: Command): string {
  let text = `${usageLine(command)}\n\n${command.description}\n`
  if (command.positionals.length > 0) {
    const width = Math.max(...command.positionals.map((positional) => positional.name.length))
    text += '\nArguments:\n'
    for (const { name, meaning } of command.positionals) text += `  ${name.padEnd(width)}  ${meaning}\n`
  }
  const rows = walkOptions(command.schema)
  if (rows.length > 0) text += '\nFlags:\n'
  for (const row of rows) {
    const value = row.value === 'BOOL' ? '' : `=${row.value}`
    const isDefaultShown = row.defaultText !== '' && row.defaultText !== 'false'
    text += `  --${row.name}${value}${isDefaultShown ? ` (default ${row.defaultText})` : ''}\n`
    text += wrap(row.description, 96)
      .map((line) => `      ${line}\n`)
      .join('')
  }
  return text
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  if (line !== '') lines.push(line)
  return lines
}
