/** Faults in the client of the Kubernetes API: watching, credentials, election, status and events. */
import type { Mutant } from './mutant.ts'

const CLIENT_TESTS = ['src/kube/client.test.ts']
const INFORMER_TESTS = ['src/kube/informer.test.ts']
const ELECTION_TESTS = ['src/kube/election.test.ts']
const STATUS_TESTS = ['src/kube/status.test.ts']
const EVENT_TESTS = ['src/kube/events.test.ts']

export const KUBE_MUTANTS: readonly Mutant[] = [
  {
    fault: 'lists again after each cut of a watch',
    file: 'src/kube/reflector.ts',
    find: '        delay = this.#onFailure(failure)\n',
    replace: '        delay = this.#onFailure(failure)\n        this.#version = undefined\n',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'watches on from a version that the server has forgotten',
    file: 'src/kube/reflector.ts',
    find: '      this.#version = undefined\n      return this.#expirations++',
    replace: '      return this.#expirations++',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'goes on from the last event, not from a newer bookmark',
    file: 'src/kube/reflector.ts',
    find: 'const last = events.at(-1)?.object.metadata.resourceVersion',
    replace:
      "const last = events.findLast(({ type }) => type !== 'BOOKMARK')?.object.metadata.resourceVersion",
    tests: INFORMER_TESTS,
  },
  {
    fault: 'waits for ever on a watch that is silent',
    file: 'src/kube/reflector.ts',
    find: 'const cancel = this.#timers.after(stallMs, onStall)',
    replace: 'const cancel = this.#timers.after(stallMs * 1e6, onStall)',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'asks for a streaming list again and again where there is none',
    file: 'src/kube/reflector.ts',
    find: '      this.#useStreaming = false\n      return 0',
    replace: '      return 0',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'asks for no bookmarks',
    file: 'src/kube/client.ts',
    find: '      allowWatchBookmarks: true,\n',
    replace: '',
    tests: [...CLIENT_TESTS, ...INFORMER_TESTS],
  },
  {
    fault: 'goes on at once however often the server fails',
    file: 'src/kube/reflector.ts',
    find: 'return (isSlow ? this.#slowBackoff : this.#backoff).next(error.retryAfterMs)',
    replace: 'return 0',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'gives all clients the same delay',
    file: 'src/kube/backoff.ts',
    find: 'const delay = step / 2 + (step / 2) * this.#timers.random()',
    replace: 'const delay = step',
    tests: ['src/kube/backoff.test.ts'],
  },
  {
    fault: 'does not notice what was deleted before a new list',
    file: 'src/kube/informer.ts',
    find: 'if (!listed.has(key)) this.#remove(key)',
    replace: 'if (listed.size < 0) this.#remove(key)',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'tells of objects before the list is complete',
    file: 'src/kube/informer.ts',
    find: '      if (held !== undefined) this.#listed.set(key, held)\n',
    replace:
      '      if (held !== undefined) this.#listed.set(key, held)\n      if (held !== undefined) this.#put(held)\n',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'keeps managed fields',
    file: 'src/kube/prune.ts',
    find: '  delete metadata.managedFields\n',
    replace: '',
    tests: INFORMER_TESTS,
  },
  {
    fault: 'takes only the first page of a list',
    file: 'src/kube/client.ts',
    find: "while (page.continueToken !== '') {",
    replace: "while (page.continueToken === 'never') {",
    tests: [...CLIENT_TESTS, ...INFORMER_TESTS],
  },
  {
    fault: 'keeps a token of the service account for ever',
    file: 'src/kube/credential-file.ts',
    find: 'this.#freshUntil = now + FRESH_MS',
    replace: 'this.#freshUntil = Infinity',
    tests: ['src/kube/in-cluster.test.ts'],
  },
  {
    fault: 'runs an exec plugin for each request',
    file: 'src/kube/exec-plugin.ts',
    find: '    this.#running ??= this.#refresh()',
    replace: '    this.#running = this.#refresh()',
    tests: ['src/kube/exec-plugin.test.ts'],
  },
  {
    fault: 'keeps the answer of an exec plugin beyond its time',
    file: 'src/kube/exec-plugin.ts',
    find: 'expiresAt: endMs === undefined ? undefined : endMs - EXPIRY_MARGIN_MS,',
    replace: 'expiresAt: undefined,',
    tests: ['src/kube/exec-plugin.test.ts'],
  },
  {
    fault: 'believes any certificate of the API server',
    file: 'src/kube/transport/dial.ts',
    find: 'rejectUnauthorized: tls.verify,',
    replace: 'rejectUnauthorized: false,',
    tests: ['src/kube/transport/dial.test.ts'],
  },
  {
    fault: 'believes a certificate for another name',
    file: 'src/kube/transport/dial.ts',
    find: 'checkServerIdentity: (_name, certificate) => checkServerIdentity(expected, certificate),',
    replace: 'checkServerIdentity: () => undefined,',
    tests: ['src/kube/transport/dial.test.ts'],
  },
  {
    fault: 'quotes the answer in an error',
    file: 'src/kube/client.ts',
    find: "throw new KubeError(0, 'BadAnswer', `${action}: the answer is not JSON`)",
    replace: "throw new KubeError(0, 'BadAnswer', `${action}: the answer is not JSON: ${text}`)",
    tests: CLIENT_TESTS,
  },
  {
    fault: 'compares the times of other machines',
    file: 'src/kube/election.ts',
    find: 'return this.#timers.now() - this.#observedAt >= durationMs',
    replace: "return this.#timers.wall() - Date.parse(spec?.renewTime ?? '') >= durationMs",
    tests: ELECTION_TESTS,
  },
  {
    fault: 'leads on when it could not renew',
    file: 'src/kube/election.ts',
    find: 'return this.#isLeading && this.#timers.now() - this.#renewedAt < this.#renewDeadlineMs',
    replace: 'return this.#isLeading',
    tests: ELECTION_TESTS,
  },
  {
    fault: 'keeps the Lease when it ends',
    file: 'src/kube/election.ts',
    find: 'if (this.leader === this.#identity || this.#hasWritten) await this.#release()',
    replace: 'if (this.leader === this.#identity && this.#renewedAt < -1) await this.#release()',
    tests: ELECTION_TESTS,
  },
  {
    fault: 'writes a status that is so already',
    file: 'src/kube/status.ts',
    find: '    if (patch === undefined) return false\n',
    replace: '',
    tests: STATUS_TESTS,
  },
  {
    fault: 'writes a status over what others wrote meanwhile',
    file: 'src/kube/status.ts',
    find: 'const body = { metadata: { resourceVersion, uid }, status: patch }',
    replace:
      'const body = { metadata: { resourceVersion: resourceVersion && undefined, uid }, status: patch }',
    tests: STATUS_TESTS,
  },
  {
    fault: 'fights for a status without end',
    file: 'src/kube/status.ts',
    find: '    wanted.isContested = true\n',
    replace: '',
    tests: STATUS_TESTS,
  },
  {
    fault: 'writes a status without being the leader',
    file: 'src/kube/status.ts',
    find: 'if (!this.#isActive || wanted.isQueued || wanted.isContested) return',
    replace: 'if (wanted.isQueued || wanted.isContested) return\n    this.#isActive = true',
    tests: STATUS_TESTS,
  },
  {
    fault: 'makes an event of each repetition',
    file: 'src/kube/events.ts',
    find: '      this.#repeat(known, now)\n      return\n',
    replace: '',
    tests: EVENT_TESTS,
  },
  {
    fault: 'writes events about one object without bound',
    file: 'src/kube/events.ts',
    find: 'if (!this.#bucketOf(id, now).take(now)) {',
    replace: 'if (!this.#bucketOf(id, now).take(now) && id === "") {',
    tests: EVENT_TESTS,
  },
]
