/**
 * Images of the test bed: names that pods use, and the local program that stands for each. There is no registry; a pod
 * gets the files of its image as read-only bind mounts in its root, beside the /usr, /bin and /lib* of the machine.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Image {
  /** Program and arguments that `command` of a container replaces; paths are those inside of the pod. */
  readonly entrypoint: readonly string[]
  /** Arguments that `args` of a container replaces. */
  readonly args?: readonly string[]
  /** What is bind-mounted read-only: path inside of the pod, path on this machine (file or directory). */
  readonly files: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Default `/`. */
  readonly workingDir?: string
  /** Numeric user and group, for containers that name none; default 0. */
  readonly user?: number
  readonly group?: number
}

/** By name as pods write it, with or without registry, path and tag. */
export type ImageTable = Readonly<Record<string, Image>>

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE = '/usr/local/bin/node'

/** The images that every cluster has. `binDirectory`: where build.ts put the programs; `checkout`: of the `sekisho` image. */
export function standardImages(binDirectory: string, checkout = ROOT): ImageTable {
  const node = join(ROOT, 'node_modules/node/bin/node')
  return {
    sekisho: sekishoImage(checkout),
    backend: {
      entrypoint: [NODE, '/backend/backend.ts'],
      files: { [NODE]: node, '/backend': join(ROOT, 'test/cluster/images') },
    },
    echo: {
      entrypoint: ['/echo-basic'],
      files: { '/echo-basic': join(binDirectory, 'echo-basic') },
    },
    pause: { entrypoint: ['/bin/sleep', 'infinity'], files: {} },
    busybox: { entrypoint: ['/bin/sh'], files: {} },
  }
}

/** The gateway of one checkout, started as deploy/Dockerfile does; two of them in one table make an upgrade. */
export function sekishoImage(checkout: string): Image {
  const flags = ['--disable-warning=ExperimentalWarning', '--disable-sigusr1', '--max-semi-space-size=1']
  return {
    entrypoint: [NODE, ...flags, '/app/src/cmd/main.ts'],
    files: {
      [NODE]: join(ROOT, 'node_modules/node/bin/node'),
      '/app/package.json': join(checkout, 'package.json'),
      '/app/src': join(checkout, 'src'),
      '/app/node_modules': join(ROOT, 'node_modules'),
    },
    env: { MALLOC_ARENA_MAX: '2' },
    workingDir: '/tmp',
    user: 65532,
    group: 65532,
  }
}

/** Finds `registry.example/team/echo:v1@sha256:…` as it stands, then without digest and tag, then by its last part. */
export function findImage(table: ImageTable, reference: string): Image | undefined {
  const [name = ''] = reference.split('@', 1)
  const path = name.split('/')
  const last = path.pop() ?? ''
  const [bare = ''] = last.split(':', 1)
  for (const candidate of [reference, name, [...path, bare].join('/'), last, bare])
    if (Object.hasOwn(table, candidate)) return table[candidate]
  return undefined
}
