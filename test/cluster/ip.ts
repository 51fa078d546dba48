/** `ip` in batches: many changes of one network namespace for one process. */
import { run } from './run-command.ts'

/** Each line as after `ip `; `netns` by name, undefined: the present one. All or an error that names the line. */
export async function ip(lines: readonly string[], netns?: string): Promise<void> {
  const where = netns === undefined ? [] : ['-n', netns]
  await run('ip', [...where, '-batch', '-'], { stdin: `${lines.join('\n')}\n` }).catch((error: Error) => {
    throw new Error(`${error.message}\n${lines.map((line, index) => `${index + 1}: ip ${line}`).join('\n')}`)
  })
}

/** Sets `net.ipv4.ip_forward` and others as seen in the namespace. */
export async function sysctl(
  values: Readonly<Record<string, string | number>>,
  netns?: string,
): Promise<void> {
  const script = Object.entries(values)
    .map(([name, value]) => `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`)
    .join(' && ')
  if (netns === undefined) await run('sh', ['-c', script])
  else await run('nsenter', [`--net=${netns}`, 'sh', '-c', script])
}

/** Where `ip netns` names namespaces. */
export function netnsPath(name: string): string {
  return `/run/netns/${name}`
}
