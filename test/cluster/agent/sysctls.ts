/** Kernel settings of a pod's network namespace (`securityContext.sysctls`), written from inside of it: /proc/sys/net is that of the writer's. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { ConfigProblem } from './pod.ts'

const run = promisify(execFile)

/** `netns`: path. Throws a ConfigProblem. */
export async function setSysctls(
  netns: string,
  settings: readonly { readonly name: string; readonly value: string }[],
): Promise<void> {
  for (const { name, value } of settings) {
    if (!/^net\.[a-z0-9_./-]+$/.test(name) || name.includes('..'))
      throw new ConfigProblem(`sysctl ${name} is not supported by this node, only those of net`)
    const path = `/proc/sys/${name.replaceAll('.', '/')}`
    try {
      await run('nsenter', [`--net=${netns}`, 'sh', '-c', 'echo "$1" > "$2"', 'sh', value, path])
    } catch (error) {
      throw new ConfigProblem(`sysctl ${name}: ${(error as Error).message.split('\n').at(-2) ?? ''}`)
    }
  }
}
