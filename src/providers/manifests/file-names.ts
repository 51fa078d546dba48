/**
 * Which names below a manifest directory count. Hidden ones do not: editors' swap files, `.git`, and the `..data` and
 * `..2024_…` directories of ConfigMap volumes, whose visible files are links into them.
 */

/** Neither hidden nor an editor's backup, lock or temporary file. */
export function isVisibleName(name: string): boolean {
  return !name.startsWith('.') && !name.startsWith('#') && !name.endsWith('~')
}

/** A visible file that holds manifests by its ending. */
export function isManifestName(name: string): boolean {
  return isVisibleName(name) && /\.(?:yaml|yml|json)$/i.test(name)
}
