/**
 * Everything needed to start a container once, worked out anew for each start, because ConfigMaps and Secrets may have
 * changed: its environment, identity, command line, and its root directory on this machine.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Image } from '../images.ts'
import type { LaunchOptions } from './container-process.ts'
import { commandLine, containerEnv } from './env.ts'
import type { ContainerSpec } from './pod.ts'
import type { PodContext } from './pod-context.ts'
import { makeRoot, type Mount } from './root-directory.ts'
import { identityOf, setprivWords } from './security.ts'

const MAX_MESSAGE_BYTES = 4096

export interface LaunchPlan {
  readonly launch: Omit<LaunchOptions, 'onOutput'>
  /** What comes before any program in the container: identity, directory, environment. */
  readonly prefix: readonly string[]
  /** What the container left for its status; `''` when nothing. */
  terminationMessage(): string
  /** Removes its files from this machine. */
  dispose(): void
}

/** Throws a ConfigProblem, and leaves nothing behind then. `run`: number of the start, from 0. */
export function planLaunch(context: PodContext, spec: ContainerSpec, image: Image, run: number): LaunchPlan {
  const { node, where } = context
  const pod = context.pod()
  const data = node.objects.of(pod.metadata.namespace)
  const env = containerEnv({ pod, container: spec, image, where, data, apiServer: node.apiServer })
  const identity = identityOf(pod, spec, image)
  const program = commandLine(spec, image, env)
  const volumes = context.volumes.mountsOf(spec, env)
  const workingDir = spec.workingDir || image.workingDir || '/'
  const directory = join(context.directory, 'containers', spec.name, String(run))
  mkdirSync(directory, { recursive: true })
  const messageFile = join(directory, 'termination-log')
  writeFileSync(messageFile, '', { mode: 0o666 })
  const message: Mount = {
    target: spec.terminationMessagePath ?? '/dev/termination-log',
    source: messageFile,
    isReadOnly: false,
    isOurs: true,
  }
  const dispose = (): void => rmSync(directory, { recursive: true, force: true })
  const root = join(directory, 'root')
  const fstab = join(directory, 'fstab')
  try {
    const text = makeRoot({
      directory: root,
      imageFiles: image.files,
      volumes: [...volumes, message],
      workingDir,
      hosts: context.hosts,
      resolvConf: context.resolvConf,
      hostname: context.hostname,
      uid: identity.uid,
      gid: identity.gid,
      isPrivileged: identity.isPrivileged,
    })
    writeFileSync(fstab, text)
  } catch (error) {
    dispose()
    throw error
  }
  const variables = [...env].map(([name, value]) => `${name}=${value}`)
  const prefix = [...setprivWords(identity), 'env', '-i', '-C', workingDir, ...variables]
  return {
    launch: {
      netns: context.network.netns,
      hostname: context.hostname,
      root,
      fstab,
      isReadOnlyRoot: identity.isReadOnlyRoot,
      words: [...prefix, ...program],
    },
    prefix,
    terminationMessage: () => readFileSync(messageFile).subarray(0, MAX_MESSAGE_BYTES).toString('utf8'),
    dispose,
  }
}
