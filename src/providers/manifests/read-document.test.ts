import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readDocument } from './read-document.ts'

const META = 'metadata: {name: a, namespace: n}\n'

/** `line:column severity code message (hint)`, as `check` prints it. */
function findings(text: string): string[] {
  return readDocument(text).findings.map(
    ({ line, column, severity, code, message, hint }) =>
      `${line}:${column} ${severity} ${code}: ${message}${hint === undefined ? '' : ` (${hint})`}`,
  )
}

function only(text: string): unknown {
  const { objects, findings: found } = readDocument(text)
  assert.deepEqual(found, [])
  assert.equal(objects.length, 1)
  return objects[0]?.object
}

describe('reading a document', () => {
  test('keeps the fields that are read, drops what only the API server needs, and nulls', () => {
    const object = only(`apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  creationTimestamp: "2026-01-02T03:04:05Z"
  labels: null
  annotations:
    a: b
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"networking.k8s.io/v1"}
  managedFields:
  - apiVersion: networking.k8s.io/v1
  resourceVersion: "77"
spec:
  rules:
  - host: a.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
status:
  loadBalancer: {}
`)
    assert.deepEqual(object, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: {
        name: 'web',
        creationTimestamp: '2026-01-02T03:04:05Z',
        annotations: { a: 'b' },
        namespace: 'default',
      },
      spec: {
        rules: [
          {
            host: 'a.example.com',
            http: {
              paths: [
                {
                  path: '/',
                  pathType: 'Prefix',
                  backend: { service: { name: 'web', port: { number: 80 } } },
                },
              ],
            },
          },
        ],
      },
    })
  })

  const keys: readonly [string, string, string[]][] = [
    ['a namespaced object', `apiVersion: v1\nkind: Service\n${META}`, ['Service/n/a']],
    ['the default namespace', 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\n', ['Service/default/a']],
    [
      'a cluster-scoped object, whatever its namespace',
      `apiVersion: networking.k8s.io/v1\nkind: IngressClass\n${META}`,
      ['IngressClass//a'],
    ],
    ['old Ingress versions', `apiVersion: extensions/v1beta1\nkind: Ingress\n${META}`, ['Ingress/n/a']],
    [
      'a List',
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: b}\n',
      ['Secret/default/a', 'Secret/default/b'],
    ],
    [
      'a typed list whose items do not repeat kind and version',
      'apiVersion: networking.k8s.io/v1\nkind: IngressList\nitems:\n- metadata: {name: a}\n',
      ['Ingress/default/a'],
    ],
    [
      'a list in a list',
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Secret, metadata: {name: a}}\n',
      ['Secret/default/a'],
    ],
    ['an empty list', 'apiVersion: v1\nkind: List\nitems: []\n', []],
    ['JSON', '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}', ['ConfigMap/default/a']],
  ]
  for (const [name, text, expected] of keys) {
    test(`names ${name}`, () => {
      const read = readDocument(text)
      assert.deepEqual(
        read.objects.map(({ key }) => key),
        expected,
      )
      assert.deepEqual(read.findings, [])
    })
  }

  test('items of a list have places of their own', () => {
    const { objects } = readDocument(`apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: a}
-
  apiVersion: v1
  kind: Namespace
  metadata: {name: b}
`)
    assert.deepEqual(
      objects.map(({ line, column }) => [line, column]),
      [
        [4, 3],
        [8, 3],
      ],
    )
  })

  test('an apiVersion and kind of a typed list are filled in', () => {
    const object = only(
      'apiVersion: networking.k8s.io/v1\nkind: IngressList\nitems:\n- metadata: {name: a}\n',
    )
    assert.deepEqual(object, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'a', namespace: 'default' },
    })
  })

  test('counts kinds that nothing reads, and kinds of the same name in other groups', () => {
    const read = readDocument(`apiVersion: v1
kind: List
items:
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: a}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: b}}
- {apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: c}}
`)
    assert.deepEqual(read.unknownKinds, [
      'apps/v1 Deployment',
      'apps/v1 Deployment',
      'serving.knative.dev/v1 Service',
    ])
    assert.deepEqual(read.findings, [])
    assert.equal(read.isBroken, false)
  })

  test('folds stringData of a Secret into data, over what is there', () => {
    const object = only(
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {x: b2xk, y: eQ==}\nstringData: {x: new}\n',
    ) as { data: unknown }
    assert.deepEqual(object.data, { x: Buffer.from('new').toString('base64'), y: 'eQ==' })
    assert.equal('stringData' in object, false)
  })

  test('base64 may be folded over lines', () => {
    const object = only(
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  x: |\n    YWJj\n    ZGVm\n',
    )
    assert.deepEqual((object as { data: unknown }).data, { x: 'YWJjZGVm' })
  })

  const told: readonly [string, string, readonly string[]][] = [
    [
      'a list where an object belongs',
      '- a\n',
      [
        '1:1 error manifest-incomplete: not a kubernetes object but a list (write a mapping with apiVersion, kind and metadata)',
      ],
    ],
    [
      'a missing kind',
      '# c\napiVersion: v1\nmetadata: {name: a}\n',
      ['2:1 error manifest-incomplete: kind is missing'],
    ],
    [
      'a kind that is no text',
      'apiVersion: v1\nkind: 7\n',
      ['2:1 error manifest-incomplete: kind must be a string, is the number 7'],
    ],
    [
      'a missing apiVersion',
      'kind: Service\nmetadata: {name: a}\n',
      ['1:1 error manifest-incomplete: apiVersion of a Service is missing or not a string'],
    ],
    [
      'a missing name',
      'apiVersion: v1\nkind: Service\nmetadata:\n  labels: {}\n',
      ['3:1 error manifest-incomplete: metadata.name of a Service is missing'],
    ],
    [
      'a name that is a number',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: 0123\n',
      [
        '4:3 error manifest-incomplete: metadata.name of a Service must be a string, is the number 123 (quote it: "0123")',
      ],
    ],
    [
      'a generated name',
      'apiVersion: v1\nkind: Service\nmetadata:\n  generateName: a-\n',
      [
        '4:3 error manifest-incomplete: Service has metadata.generateName, which only an API server turns into a name (give it a metadata.name)',
      ],
    ],
    [
      'a name with a slash',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: a/b\n',
      ['4:3 error manifest-incomplete: metadata.name of a Service has a slash'],
    ],
    [
      'a namespace that is a list',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  namespace: [b]\n',
      ['5:3 error manifest-incomplete: metadata.namespace of Service a must be a name, is a list'],
    ],
    [
      'an unknown version of a known kind',
      `apiVersion: networking.k8s.io/v7\nkind: Ingress\n${META}`,
      [
        '1:1 warning manifest-version: apiVersion networking.k8s.io/v7 of Ingress is not known; the object is not read (known: networking.k8s.io/v1, networking.k8s.io/v1beta1, extensions/v1beta1)',
      ],
    ],
    [
      'items that are no list',
      'apiVersion: v1\nkind: List\nitems: {}\n',
      ['3:1 error manifest-incomplete: items of a List must be a list, is a mapping'],
    ],
    [
      'an item that is no object',
      'apiVersion: v1\nkind: List\nitems:\n- a\n',
      [
        '4:3 error manifest-incomplete: not a kubernetes object but a string (write a mapping with apiVersion, kind and metadata)',
      ],
    ],
    [
      'rules that are no list',
      `apiVersion: networking.k8s.io/v1\nkind: Ingress\n${META}spec:\n  rules: {}\n`,
      ['5:3 error manifest-field: spec.rules must be a list, is a mapping'],
    ],
    [
      'a host that is a number',
      `apiVersion: networking.k8s.io/v1\nkind: Ingress\n${META}spec:\n  rules:\n  - host: 1.10\n`,
      ['6:5 error manifest-field: spec.rules[0].host must be a string, is the number 1.1 (quote it: "1.10")'],
    ],
    [
      'a port that is a text',
      `apiVersion: v1\nkind: Service\n${META}spec:\n  ports:\n  - name: http\n    port: "80"\n`,
      ['7:5 error manifest-field: spec.ports[0].port must be a whole number, is a string'],
    ],
    [
      'a port that is missing',
      `apiVersion: v1\nkind: Service\n${META}spec:\n  ports:\n  - name: http\n`,
      ['6:5 error manifest-field: spec.ports[0].port is missing'],
    ],
    [
      'a null item',
      `apiVersion: networking.k8s.io/v1\nkind: Ingress\n${META}spec:\n  rules:\n  -\n`,
      ['6:4 error manifest-field: spec.rules[0] must be a mapping, is nothing'],
    ],
    [
      'an annotation that is true',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  annotations:\n    example.com/b: true\n',
      [
        '6:5 warning manifest-unquoted: metadata.annotations["example.com/b"] is true where kubernetes wants a string; taken as "true" (quote it: "true")',
      ],
    ],
    [
      'a misspelt field',
      `apiVersion: networking.k8s.io/v1\nkind: Ingress\n${META}spec:\n  ingresClassName: x\n`,
      [
        '5:3 warning manifest-unknown-field: spec.ingresClassName is no field of this apiVersion and is ignored (did you mean ingressClassName)',
      ],
    ],
    [
      'a field of another case',
      `apiVersion: v1\nkind: Service\n${META}spec:\n  ports:\n  - port: 80\n    targetport: 8080\n`,
      [
        '7:5 warning manifest-unknown-field: spec.ports[0].targetport is no field of this apiVersion and is ignored (did you mean targetPort)',
      ],
    ],
    [
      'a field of an older version',
      `apiVersion: networking.k8s.io/v1\nkind: Ingress\n${META}spec:\n  defaultBackend:\n    serviceName: a\n`,
      [
        '6:5 warning manifest-unknown-field: spec.defaultBackend.serviceName is no field of this apiVersion and is ignored (in this apiVersion it is service.name)',
      ],
    ],
    [
      'data that is not base64',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata:\n  tls.crt: "-----BEGIN"\n',
      [
        '5:3 error manifest-base64: data["tls.crt"] is not base64 (encode the value, or write it as it is under stringData)',
      ],
    ],
    [
      'YAML that is none',
      'apiVersion: v1\nkind: Service\n  x: y\n',
      ['2:7 error manifest-syntax: nested mappings are not allowed in compact mappings'],
    ],
    [
      'JSON that is none',
      '{"apiVersion": "v1",\n "kind": "Service"\n "metadata": {}}',
      ['3:2 error manifest-syntax: missing , between flow map items'],
    ],
  ]
  for (const [name, text, expected] of told) {
    test(`tells ${name}`, () => assert.deepEqual(findings(text).slice(0, expected.length), expected))
  }

  test('numbers and booleans among strings are taken as they are written', () => {
    const { objects } = readDocument(
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: 1.10\n  b: True\n  c: 0x1F\n  d:\n',
    )
    assert.deepEqual((objects[0]!.object as { data: unknown }).data, {
      a: '1.10',
      b: 'True',
      c: '0x1F',
      d: '',
    })
  })

  test('of a list only the wrong item is broken', () => {
    const read = readDocument(`apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: 80}}
- {apiVersion: v1, kind: Service, metadata: {name: b}}
`)
    assert.deepEqual(read.brokenKeys, ['Service/default/a'])
    assert.deepEqual(
      read.objects.map(({ key }) => key),
      ['Service/default/b'],
    )
    assert.equal(read.isBroken, false)
  })

  test('equal content has one digest, whatever it looks like', () => {
    const digest = (text: string): string | undefined => readDocument(text).objects[0]?.digest
    const plain = digest('apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n')
    assert.equal(
      digest('# c\n"apiVersion": "v1"\nkind: Service\nmetadata: {name: a, resourceVersion: "1"}\n'),
      plain,
    )
    assert.notEqual(digest('apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels: {b: c}\n'), plain)
  })
})
