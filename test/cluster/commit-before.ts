/**
 * The program as it was before its last change, for tests of upgrades: what the last commit that touched it came from, or the
 * last commit itself while there is work that is not committed. Its dependencies are those of this checkout.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { outcomeOf, run } from './run-command.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PROGRAM = ['src', 'package.json', 'deploy/chart']

export interface CommitBefore {
  readonly commit: string
  /** With what is in `PROGRAM`. */
  readonly checkout: string
}

/** Written into `directory`; or why there is none, as a clause. */
export async function commitBefore(directory: string): Promise<CommitBefore | string> {
  const last = await git('rev-list', '--max-count=1', 'HEAD', '--', ...PROGRAM)
  if (last.code !== 0) return `git knows no history here: ${last.stderr.trim()}`
  const changes = await git('status', '--porcelain', '--', ...PROGRAM)
  const wanted = changes.stdout === '' ? `${last.stdout.trim()}^` : 'HEAD'
  const found = await git('rev-parse', '--verify', '--quiet', `${wanted}^{commit}`)
  if (found.code !== 0)
    return 'the history ends before the last change of the program (a shallow clone: git fetch --unshallow)'
  const commit = found.stdout.trim()
  const archive = join(directory, 'commit-before.tar')
  await run('git', [...GIT, 'archive', `--output=${archive}`, commit, '--', ...PROGRAM])
  await run('tar', ['--extract', '--file', archive, '--directory', directory])
  return { commit, checkout: directory }
}

/** The checkout may be another user's. */
const GIT = ['-C', ROOT, '-c', `safe.directory=${ROOT.replace(/\/$/, '')}`]

function git(...args: readonly string[]): ReturnType<typeof outcomeOf> {
  return outcomeOf('git', [...GIT, ...args])
}
