/** Checks the DIR argument that several commands take, so that a mistyped path is said before anything starts. */
import { access, constants, stat } from 'node:fs/promises'
import { errorCode, errorText } from '#lib/errors.ts'
import { UsageError } from './command.ts'

/** The path as given, when it can be read; otherwise throws a UsageError that says why not. */
export async function checkedDirectory(path: string): Promise<string> {
  try {
    const found = await stat(path)
    await access(path, found.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK)
    return path
  } catch (error) {
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: 'does not exist',
      EACCES: 'may not be read by this user',
      ENOTDIR: 'has a file where a directory should be in its path',
    }
    const reason = reasons[errorCode(error)] ?? errorText(error)
    throw new UsageError(
      `${JSON.stringify(path)} ${reason}; give a directory (or file) of Kubernetes manifests`,
    )
  }
}
