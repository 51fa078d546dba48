/**
 * docs/guide/run-in-your-cluster.md, followed to the letter: every block marked `sh` runs in one shell, in order, against a
 * cluster in which the images that the page names are there and another controller has left its class.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Cluster } from './cluster.ts'
import { binDirectory } from './programs.ts'
import { outcomeOf } from './run-command.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PAGE = readFileSync(join(ROOT, 'docs/guide/run-in-your-cluster.md'), 'utf8')

/** In place of the image nginx, the program of this machine. */
const NGINX_CONF = `
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f;
  uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s;
  server { listen 80; location / { return 200 "Welcome to nginx!\\n"; } }
}
`

/** What a cluster has in which ingress-nginx runs. */
const BEFORE = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: { name: nginx }
spec: { controller: k8s.io/ingress-nginx }
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: { name: old, namespace: default }
spec:
  ingressClassName: nginx
  rules:
    - host: old.example
      http:
        paths: [{ path: /, pathType: Prefix, backend: { service: { name: hello, port: { number: 80 } } } }]
`

interface Block {
  /** Title of the section. */
  readonly section: string
  readonly text: string
}

function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = []
  let section = ''
  for (const match of page.matchAll(/^## (.*)$|^```sh\n([\s\S]*?)^```$/gm)) {
    if (match[1] !== undefined) section = match[1]
    else blocks.push({ section, text: match[2] ?? '' })
  }
  return blocks
}

describe('the page "Run it in your cluster"', { timeout: 280_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'sekisho-guide-'))
  let cluster: Cluster
  /** What each section printed. */
  const printed = new Map<string, string>()

  before(async () => {
    const conf = join(directory, 'nginx.conf')
    writeFileSync(conf, NGINX_CONF)
    // The page writes files where it runs; the checkout stays as it is.
    const checkout = join(directory, 'checkout')
    await outcomeOf('mkdir', [checkout])
    symlinkSync(join(ROOT, 'deploy'), join(checkout, 'deploy'))
    const entrypoint = ['/usr/sbin/nginx', '-e', 'stderr', '-c', '/conf/nginx.conf', '-g', 'daemon off;']
    cluster = await Cluster.start({ images: { nginx: { entrypoint, files: { '/conf/nginx.conf': conf } } } })
    await cluster.kubectl(['apply', '--filename=-'], { stdin: BEFORE })
    const blocks = blocksOf(PAGE)
    assert.ok(blocks.length > 12)
    const script = blocks.map(({ text }, index) => `echo '=== ${index}'\n${text}`).join('\n')
    const env = {
      ...process.env,
      HOME: directory,
      KUBECONFIG: cluster.kubeconfig,
      PATH: `${binDirectory()}${delimiter}${process.env['PATH'] ?? ''}`,
    }
    const { code, stdout, stderr } = await outcomeOf('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: checkout,
      env,
    })
    for (const part of stdout.split(/^=== /m).slice(1)) {
      const section = blocks[Number.parseInt(part, 10)]?.section ?? ''
      printed.set(section, `${printed.get(section) ?? ''}${part.slice(part.indexOf('\n') + 1)}`)
    }
    assert.equal(code, 0, `${stdout.slice(-3000)}\n${stderr}`)
  })
  after(async () => {
    await cluster?.stop()
    rmSync(directory, { recursive: true })
  })

  const expectations: readonly (readonly [string, ...RegExp[]])[] = [
    [
      'Install',
      /STATUS: deployed/,
      /pod\/sekisho-\S+\s+1\/1\s+Running/,
      /sekisho\s+sekisho\.dev\/ingress-controller/,
    ],
    ['The first Ingress', /hello\s+sekisho\s+hello\.example\s+198\.18\.\S+/, /Welcome to nginx!/],
    ['TLS', /Welcome to nginx!/],
    [
      'When something is wrong',
      /ServiceNotFound\s.*Service default\/missing does not exist; answers 503/,
      /INF serving/,
      /"ready":true/,
      /sekisho_config_objects\{kind="routers"\} [1-9]/,
    ],
    ['Taking over from another controller', /Welcome to nginx!/, /REVISION: 2/],
    ['In some namespaces only', /ingress\.networking\.k8s\.io\/own condition met/],
    ['Upgrading', /REVISION: 2/],
    [
      'Removing',
      /hello\s+sekisho\s+hello\.example\s+80/,
      /release "sekisho" uninstalled/,
      /release "team" uninstalled/,
    ],
    ['Plain manifests', /deployment "sekisho" successfully rolled out/, /deployment\.apps "sekisho" deleted/],
  ]
  for (const [section, ...texts] of expectations) {
    it(`does what it says: ${section}`, () => {
      for (const text of texts) assert.match(printed.get(section) ?? '', text)
    })
  }

  it('leaves nothing out of the rights that are needed', () => {
    const problems =
      /finding=(cluster-forbidden|status-refused|status-address|election-failed|events-forbidden)/
    assert.doesNotMatch(printed.get('When something is wrong') ?? '', problems)
    const restricted = printed.get('In some namespaces only') ?? ''
    const missing = [
      ...restricted.matchAll(/may not [a-z ]+ in (?:the cluster|all namespaces|namespace \S+)/g),
    ]
    assert.deepEqual(
      new Set(missing.map(([text]) => text)),
      new Set(['may not list and watch ingressclasses in the cluster']),
    )
  })

  it('has a test for each of its sections', () => {
    const sections = new Set(blocksOf(PAGE).map((block) => block.section))
    assert.deepEqual(
      [...sections],
      expectations.map(([section]) => section),
    )
  })
})
