/** Faults in following a Kubernetes cluster: what is read and kept, what it means, what is written back. */
import type { Mutant } from './mutant.ts'

const SOURCE_TESTS = [
  'src/providers/kubernetes-ingress/cluster-source.test.ts',
  'src/providers/kubernetes-ingress/provider.test.ts',
]
const REPORTER_TESTS = [
  'src/providers/kubernetes-ingress/status/cluster-reporter.test.ts',
  'src/providers/kubernetes-ingress/status/finding-events.test.ts',
]
const ADDRESS_TESTS = [
  'src/providers/kubernetes-ingress/status/address-source.test.ts',
  'src/providers/kubernetes-ingress/status/addresses.test.ts',
]
const MEANING_TESTS = [
  'test/config/kubernetes.test.ts',
  'src/providers/kubernetes/translator.test.ts',
  'src/providers/kubernetes/incremental.test.ts',
]

const READING: readonly Mutant[] = [
  {
    fault: 'hands out before everything was read',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: 'return this.#all().every((each) => each.isSettled) && this.#of(INGRESSES).some((each) => each.hasSynced)',
    replace: 'return this.#of(INGRESSES).some((each) => each.hasSynced)',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'does not wait for Secrets',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: '    await this.#until(() => this.#secrets.isSettled)\n',
    replace: '',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'asks for the contents of every Secret',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: 'this.#watch({ resource: SECRETS, ...scope, isMetadataOnly: true })',
    replace: 'this.#watch({ resource: SECRETS, ...scope })',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'fetches Secrets that nobody names',
    file: 'src/providers/kubernetes-ingress/named-secrets.ts',
    find: '    if (named === undefined) return\n    if (named.version',
    replace:
      "    if (named === undefined) {\n      const [namespace = '', name = ''] = key.split('/')\n      this.need(namespace, name)\n      return\n    }\n    if (named.version",
    tests: SOURCE_TESTS,
  },
  {
    fault: 'does not fetch a Secret that changed',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: '        this.#secrets.changed(nameOf(object), object.metadata.resourceVersion)\n',
    replace: '',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'keeps a Secret that is gone',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: '        this.#secrets.gone(nameOf(object))\n',
    replace: '',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'keeps the contents of a Secret that nothing names any more',
    file: 'src/providers/kubernetes/certificates.ts',
    find: '      this.#secrets.delete(key)\n    }\n    const isKnown',
    replace: '    }\n    const isKnown',
    tests: [...SOURCE_TESTS, ...MEANING_TESTS],
  },
  {
    fault: 'serves namespaces that are not selected',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: 'return this.#namespaces.store.get(metadata.namespace) !== undefined',
    replace: 'return true',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'does not notice that a namespace is selected now',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: 'if (before === undefined) this.#select(object.metadata.name, true)',
    replace: 'if (before === undefined && this.#isHandingOut) this.#areFindingsStale = true',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'lets nobody be ready where a right is missing',
    file: 'src/providers/kubernetes-ingress/watched-resource.ts',
    find: 'return this.#informer.hasSynced || this.#refusals >= REFUSALS_TO_SETTLE',
    replace: 'return this.#informer.hasSynced',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'does not read parameters of a class in a namespace that is not selected',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: "    if (kind === 'ConfigMap') return true\n",
    replace: '',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'translates an object again whose status alone changed',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: '    if (before !== undefined && meansTheSame(before, object)) return\n',
    replace: '',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'watches the ConfigMaps of every class',
    file: 'src/providers/kubernetes-ingress/class-parameters.ts',
    find: 'const reference = this.#isOurs(ingressClass) ? configMapOf(ingressClass) : undefined',
    replace: 'const reference = this.#isOurs(ingressClass) || true ? configMapOf(ingressClass) : undefined',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'takes a class before its ConfigMap was read',
    file: 'src/providers/kubernetes-ingress/cluster-source.ts',
    find: 'if (this.#isHandingOut && watched?.isSettled === false) {',
    replace: 'if (this.#isHandingOut && watched?.isSettled === undefined && false) {',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'tells that Ingresses are in force when they were handed over',
    file: 'src/providers/kubernetes-ingress/provider.ts',
    find: 'const step: Step = { served, isInForce: !hasDelta }',
    replace:
      'const step: Step = { served, isInForce: true }\n    if (hasDelta) queueMicrotask(() => this.#tellInForce())',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'tells nobody of findings before something else changes',
    file: 'src/providers/kubernetes-ingress/provider.ts',
    find: '      else this.#reportFindings(sink)\n',
    replace: '',
    tests: SOURCE_TESTS,
  },
  {
    fault: 'does not say when the bytes of a change came',
    file: 'src/providers/kubernetes-ingress/provider.ts',
    find: 'sink.apply(delta, { receivedAt, onInForce })',
    replace: 'sink.apply(delta, { receivedAt: receivedAt && undefined, onInForce })',
    tests: SOURCE_TESTS,
  },
]

const MEANING: readonly Mutant[] = [
  {
    fault: 'serves classes of other controllers',
    file: 'src/providers/kubernetes/class.ts',
    find: 'object !== undefined && servesClass(policy, object)',
    replace: 'object !== undefined',
    tests: MEANING_TESTS,
  },
  {
    fault: 'serves Ingresses without a class unasked',
    file: 'src/providers/kubernetes/class.ts',
    find: "if (name === '') return policy.isClasslessServed",
    replace: "if (name === '') return true",
    tests: MEANING_TESTS,
  },
  {
    fault: 'serves a named class only where there is an IngressClass',
    file: 'src/providers/kubernetes/class.ts',
    find: ': name === policy.only',
    replace: ': object !== undefined && name === policy.only',
    tests: [...MEANING_TESTS, ...SOURCE_TESTS],
  },
  {
    fault: 'opens a class whose ConfigMap is missing',
    file: 'src/providers/kubernetes/class-parameters.ts',
    find: '        closed: `ConfigMap ${configMap}, the parameters of its class ${name}, does not exist`,',
    replace: '        closed: undefined,',
    tests: MEANING_TESTS,
  },
  {
    fault: 'counts a pod of two families twice',
    file: 'src/providers/kubernetes/endpoints.ts',
    find: "return server.address.includes(':') !== (this.#rules.family === 'IPv6')",
    replace: 'return server.address === ""',
    tests: MEANING_TESTS,
  },
  {
    fault: 'leaves out endpoints that end and still serve',
    file: 'src/providers/kubernetes/endpoints.ts',
    find: 'if (!isReady && !((serving ?? false) && (terminating ?? false))) {',
    replace: 'if (!isReady) {',
    tests: MEANING_TESTS,
  },
  {
    fault: 'ignores publishNotReadyAddresses',
    file: 'src/providers/kubernetes/endpoints.ts',
    find: 'const isReady = (ready ?? true) || this.#rules.publishesNotReady',
    replace: 'const isReady = ready ?? true',
    tests: MEANING_TESTS,
  },
  {
    fault: 'takes the port of the first slice for all',
    file: 'src/providers/kubernetes/endpoints.ts',
    find: '    const number = collector.portNumber(slice.ports, port)\n',
    replace:
      '    const number = collector.portNumber((slices[0]!.object as EndpointSliceObject).ports, port)\n',
    tests: MEANING_TESTS,
  },
  {
    fault: 'reads the first slice only',
    file: 'src/providers/kubernetes/endpoints.ts',
    find: '  for (const sourced of slices) {\n',
    replace: '  for (const sourced of slices.slice(0, 1)) {\n',
    tests: MEANING_TESTS,
  },
  {
    fault: 'ignores hints for zones',
    file: 'src/providers/kubernetes/locality.ts',
    find: 'if (allHaveZones && isAnyForZone) {',
    replace: 'if (allHaveZones && isAnyForZone && zone === "") {',
    tests: MEANING_TESTS,
  },
  {
    fault: 'ignores hints for nodes',
    file: 'src/providers/kubernetes/locality.ts',
    find: 'if (allHaveNodes && isAnyForNode) {',
    replace: 'if (allHaveNodes && isAnyForNode && zone === "") {',
    tests: MEANING_TESTS,
  },
  {
    fault: 'takes the hints although one endpoint has none',
    file: 'src/providers/kubernetes/locality.ts',
    find: 'if (zones.length === 0) allHaveZones = false\n',
    replace: 'if (zones.length === 0) allHaveZones &&= true\n',
    tests: MEANING_TESTS,
  },
  {
    fault: 'ignores internalTrafficPolicy',
    file: 'src/providers/kubernetes/backend.ts',
    find: "isLocalOnly: internalTrafficPolicy === 'Local' && locality !== undefined,",
    replace: 'isLocalOnly: internalTrafficPolicy === undefined && locality === null,',
    tests: MEANING_TESTS,
  },
  {
    fault: 'serves ExternalName unasked',
    file: 'src/providers/kubernetes/backend.ts',
    find: 'if (!this.#situation.allowsExternalNames) return []',
    replace: 'if (this.#situation === undefined) return []',
    tests: MEANING_TESTS,
  },
  {
    fault: 'forgets the addresses of a name that no longer resolves',
    file: 'src/net/names/resolver.ts',
    find: '      this.#failed(entry, error)\n',
    replace: '      entry.addresses = NO_ADDRESSES\n      this.#failed(entry, error)\n',
    tests: ['src/net/names/resolver.test.ts'],
  },
  {
    fault: 'keeps an answer longer than its TTL',
    file: 'src/net/names/resolver.ts',
    find: 'entry.freshUntil = now + Math.max(MIN_TTL_MS, ttlMs)',
    replace: 'entry.freshUntil = now + Math.max(60_000, ttlMs)',
    tests: ['src/net/names/resolver.test.ts'],
  },
]

const WRITING: readonly Mutant[] = [
  {
    fault: 'writes the status of classes of other controllers',
    file: 'src/providers/kubernetes-ingress/status/cluster-reporter.ts',
    find: 'return found?.spec?.controller === this.#options.controllerClass',
    replace: 'return found !== undefined',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'takes the status away although another replica is ready',
    file: 'src/providers/kubernetes-ingress/status/cluster-reporter.ts',
    find: 'if (await this.#isLast(deadline)) await this.#status.clear(deadline)',
    replace: 'await this.#status.clear(deadline)',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'leaves the status behind',
    file: 'src/providers/kubernetes-ingress/status/cluster-reporter.ts',
    find: 'if (await this.#isLast(deadline)) await this.#status.clear(deadline)',
    replace: 'await this.#isLast(deadline)',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'leaves the status of an Ingress that is not served any more',
    file: 'src/providers/kubernetes-ingress/status/ingress-status.ts',
    find: '    this.#writer.set(nameOfKey(key), this.#withoutOurs)\n  }\n',
    replace: '  }\n',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'takes away a status that is not ours',
    file: 'src/providers/kubernetes-ingress/status/ingress-status.ts',
    find: 'return isOurs ? { ...object.status, loadBalancer: {} } : undefined',
    replace: 'return isOurs || true ? { ...object.status, loadBalancer: {} } : undefined',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'tells nobody of a contested status',
    file: 'src/providers/kubernetes-ingress/status/cluster-reporter.ts',
    find: '        this.#unwritten.contested.add(key)\n',
    replace: '',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'writes events without being the leader',
    file: 'src/providers/kubernetes-ingress/status/finding-events.ts',
    find: 'if (this.#isActive) this.#say()',
    replace: 'this.#say()',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'writes events about Ingresses that are not served here',
    file: 'src/providers/kubernetes-ingress/status/cluster-reporter.ts',
    find: "if (held === undefined || (kind === 'Ingress' && !this.#provider.isServed(key))) return undefined",
    replace: 'if (held === undefined) return undefined',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'says again what it said',
    file: 'src/providers/kubernetes-ingress/status/finding-events.ts',
    find: '      this.#since.set(key, Infinity)\n',
    replace: '',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'says what is mended in a moment',
    file: 'src/providers/kubernetes-ingress/status/finding-events.ts',
    find: 'const SETTLE_MS = 1000',
    replace: 'const SETTLE_MS = -1',
    tests: REPORTER_TESTS,
  },
  {
    fault: 'publishes addresses of nodes whose replica is not ready',
    file: 'src/providers/kubernetes-ingress/status/replicas.ts',
    find: "return status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') === true",
    replace: "return status?.conditions?.some((each) => each.type === 'Ready') === true",
    tests: [...ADDRESS_TESTS, ...REPORTER_TESTS],
  },
  {
    fault: 'counts a replica that ends as one that stays',
    file: 'src/providers/kubernetes-ingress/status/replicas.ts',
    find: '  if (metadata.deletionTimestamp !== undefined) return false\n',
    replace: '',
    tests: [...ADDRESS_TESTS, ...REPORTER_TESTS],
  },
  {
    fault: 'prefers internal addresses of nodes',
    file: 'src/providers/kubernetes-ingress/status/addresses.ts',
    find: "return sorted((external.length > 0 ? external : of('InternalIP')).map(fromText))",
    replace: "return sorted(of('InternalIP').map(fromText))",
    tests: ADDRESS_TESTS,
  },
]

export const CLUSTER_MUTANTS: readonly Mutant[] = [...READING, ...MEANING, ...WRITING]
