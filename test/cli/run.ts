/** Runs the program as a user does: through the launcher, with arguments, in a directory. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const LAUNCHER = fileURLToPath(new URL('../../bin/sekisho', import.meta.url))

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export async function sekisho(args: readonly string[], cwd?: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { encoding: 'utf8', timeout: 60_000, ...(cwd === undefined ? {} : { cwd }) } as const
    execFile(LAUNCHER, args, options, (error, stdout, stderr) => {
      let code = 0
      if (error !== null) code = typeof error.code === 'number' ? error.code : -1
      resolve({ code, stdout, stderr })
    })
  })
}
