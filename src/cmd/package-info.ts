/** Facts from package.json, wherever the program runs from: a checkout (src/cmd) or a package (dist/cmd). */
import { readFileSync } from 'node:fs'

/** Directory of package.json, with a slash at the end. */
export const PACKAGE_ROOT = new URL('../../', import.meta.url)

/** Version of the package: `0.1.0`. */
export function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('package.json', PACKAGE_ROOT), 'utf8'))
  const isPackage = typeof parsed === 'object' && parsed !== null && 'version' in parsed
  return isPackage && typeof parsed.version === 'string' ? parsed.version : 'unknown'
}
