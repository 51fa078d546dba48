/** Faults in what stands around the codec: upstream connections, and what a proxy removes and adds. */
import type { Mutant } from './mutant.ts'

const CONNECTION = 'src/client/http1-client.ts'
const TESTS = ['test/wire/client-connection.test.ts']

export const PROXY_MUTANTS: readonly Mutant[] = [
  {
    fault: 'pools a connection with bytes behind the response',
    file: CONNECTION,
    find: '      !hasMore &&\n',
    replace: '',
    tests: TESTS,
  },
  {
    fault: 'pools a connection whose request was not sent whole',
    file: CONNECTION,
    find: '      this.#isRequestDone &&\n',
    replace: '',
    tests: TESTS,
  },
  {
    fault: 'pools a connection that the server will close',
    file: CONNECTION,
    find: '      this.#head.keepAlive &&\n',
    replace: '',
    tests: TESTS,
  },
  {
    fault: 'takes bytes that come on an idle connection',
    file: CONNECTION,
    find: 'if (this.state !== BUSY || !this.hasWritten) {',
    replace: 'if (this.state === IDLE) return\n    if (this.state !== BUSY || !this.hasWritten) {',
    tests: TESTS,
  },
  {
    fault: 'takes a cut response for a whole one',
    file: CONNECTION,
    find: 'if (this.state === BUSY && this.#isBodyActive && this.#body.finish() === 0) {',
    replace: 'if (this.state === BUSY && this.#isBodyActive) {',
    tests: TESTS,
  },
  {
    fault: 'passes on the answer to a request that was cancelled',
    file: CONNECTION,
    find: '    this.#sink = null\n    this.#close()\n  }\n\n  pauseResponse',
    replace: '    this.#sink = null\n  }\n\n  pauseResponse',
    tests: TESTS,
  },
]
