/**
 * Large dependencies that most processes never need, loaded when they are first called for: each costs several
 * megabytes of resident memory in every thread that has it.
 */
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** A function that loads the package on its first call. `import type` gives the type. */
export function lazyModule<T>(name: string): () => T {
  let loaded: T | undefined
  return () => (loaded ??= require(name) as T)
}

/** The same for a module of Node's own. */
export function lazyBuiltin<T>(name: string): () => T {
  let loaded: T | undefined
  return () => (loaded ??= process.getBuiltinModule(name) as T)
}
