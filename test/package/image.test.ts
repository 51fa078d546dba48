import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  buildScript,
  exclusions,
  execForm,
  parseDockerfile,
  quoted,
  runIsolated,
  type Outcome,
} from './dockerfile.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const instructions = parseDockerfile(readFileSync(join(ROOT, 'deploy/Dockerfile'), 'utf8'))
const MANIFEST = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: a, namespace: a }
spec: { defaultBackend: { service: { name: a, port: { number: 80 } } } }
`

const PARTS = ['version', 'serving', 'files', 'capabilities', 'size'] as const
const IMAGE = '/mnt/image'

/**
 * Runs the entrypoint as an engine runs it in Kubernetes: as its user, without new privileges, with one capability in the
 * bounding set, on a read-only root, and in a network where port 80 needs that capability.
 */
function containerScript(): string {
  const entry = execForm(instructions, 'ENTRYPOINT')
  const [uid = '', gid = ''] = instructions.find(({ name }) => name === 'USER')?.text.split(':') ?? []
  const engine = [
    ...['chroot', IMAGE, '/usr/bin/setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'],
    ...['--no-new-privs', '--bounding-set=-all,+net_bind_service'],
    // Engines put it into the permitted set too, but not into the ambient one: behind exec only a file brings it back.
    ...['--inh-caps=-all', '--'],
  ]
  const run = (...program: readonly string[]): string => [...engine, ...program].map(quoted).join(' ')
  const toNode = entry.slice(0, entry.findIndex((part) => part.endsWith('/node')) + 1)
  const readStatus = "fs.readFileSync('/proc/self/status', 'utf8').match(/CapEff.*/)[0]"
  const serve = `
ip link set lo up
${run(...entry, 'up', '/run/manifests', '--workers=1')} &
until curl --silent --output /dev/null --write-out 'status %{http_code}\\n' http://127.0.0.1/; do sleep 0.1; done > /mnt/answers
tail -n 1 /mnt/answers
kill $!
wait $!
echo "exit $?"`
  return `
mkdir -p ${IMAGE}/proc ${IMAGE}/dev ${IMAGE}/run
mount --bind ${IMAGE} ${IMAGE}
mount -t proc proc ${IMAGE}/proc
mount --rbind /dev ${IMAGE}/dev
mount -t tmpfs tmpfs ${IMAGE}/run
mkdir ${IMAGE}/run/manifests
cat > ${IMAGE}/run/manifests/a.yaml <<'END'
${MANIFEST}END
mount -o remount,bind,ro ${IMAGE}
${run(...entry, 'version')}
echo ---
unshare --net sh -c ${quoted(serve)}
echo ---
(cd ${IMAGE} && find app usr etc lib* bin -type f 2>/dev/null | grep -v ^app/node_modules/ | grep -v ^app/dist/ || true)
echo ---
${run(...toNode, '-p', readStatus)}
echo ---
du -sm ${IMAGE} --exclude=proc --exclude=dev | cut -f 1
`
}

const isRoot = process.getuid?.() === 0

describe('the image', { timeout: 300_000, skip: isRoot ? false : 'needs root' }, () => {
  let outcome: Outcome = { code: -1, stdout: '', stderr: '' }
  const part = (name: (typeof PARTS)[number]): string =>
    outcome.stdout.split('---\n')[PARTS.indexOf(name)]?.trim() ?? ''

  before(async () => {
    const ignored = exclusions(readFileSync(join(ROOT, '.dockerignore'), 'utf8'))
    outcome = await runIsolated(buildScript(instructions, ROOT, ignored) + containerScript())
    assert.equal(outcome.code, 0, outcome.stderr + outcome.stdout)
  })

  it('runs the packed program on the Node it brings', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    assert.ok(part('version').startsWith(`sekisho ${version}`), part('version'))
    assert.match(part('version'), /\(node 26\./)
  })

  it('serves on port 80 as a user without privileges, and ends when told', () => {
    assert.match(part('serving'), /^status 503\nexit 0$/, outcome.stderr)
  })

  it('has one capability', () => assert.match(part('capabilities'), /^CapEff:\s+0{13}400$/))

  it('has the program, its libraries and no shell', () => {
    const files = part('files').split('\n')
    assert.ok(files.includes('usr/bin/setpriv'))
    assert.ok(files.includes('app/package.json'))
    assert.deepEqual(
      files.filter((file) => /(^|\/)(sh|bash|dash|npm)$|\.test\.|^app\/(src|test|deploy)\//.test(file)),
      [],
    )
  })

  it('is small', () => assert.ok(Number(part('size')) < 250, `${part('size')} MB`))
})

describe('Node in the image', () => {
  it('gets the flags that the launcher gives it', () => {
    const launcher = readFileSync(join(ROOT, 'bin/sekisho'), 'utf8')
    const flags = /^exec "\$node" (.*) "\$main" "\$@"$/m.exec(launcher)?.[1]?.split(' ')
    const entry = execForm(instructions, 'ENTRYPOINT')
    const node = entry.findIndex((argument) => argument.endsWith('/node'))
    assert.deepEqual(entry.slice(node + 1, -1), flags)
  })
})
