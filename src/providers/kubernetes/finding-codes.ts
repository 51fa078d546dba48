/** Codes of the findings of the translation, with what `docs/reference/findings.md` says about each. */
export const FINDING_CODES = {
  'annotation-invalid':
    'an annotation has a value that it cannot have; the default is used, or its paths answer 503',
  'annotation-no-effect': 'an annotation has nothing to change here',
  'annotation-not-built': 'an annotation is known but not supported yet; it has no effect',
  'annotation-not-supported': 'an annotation restricts access and is not supported yet; its paths answer 503',
  'annotation-note': 'an annotation is taken, but not quite as it says',
  'annotation-overridden': 'the same annotation below the newer prefix says otherwise and counts',
  'annotation-unknown': 'an annotation below a known prefix that no table has; it has no effect',
  'endpoint-address': 'an endpoint has no IP address; it is left out',
  'endpoint-port-name': 'the endpoints of a Service have no port of the name that the Service port has',
  'endpoint-slice-label': 'an EndpointSlice does not say which Service it belongs to',
  'ingress-backend': 'a path names no Service port; it answers 503',
  'ingress-class-default':
    'a key in the parameters of an IngressClass has no effect, or not quite that of its value',
  'ingress-class-differs': 'annotation and field name different classes; the annotation counts',
  'ingress-class-not-served': 'Ingresses whose class is not served here',
  'ingress-class-parameters':
    'the parameters of an IngressClass cannot be used; the Ingresses of the class answer 503',
  'ingress-conflict': 'an older Ingress serves the same path of the same host',
  'ingress-empty': 'an Ingress has neither rules nor a default backend',
  'ingress-host': 'a host that is no DNS name; its rule is left out',
  'ingress-path': 'a path that no request can have; it is left out',
  'ingress-path-regex':
    'a path that is no regular expression of linear time; what begins like it answers 503',
  'ingress-path-twice': 'a path stands in one Ingress twice; the first counts',
  'ingress-path-type': 'a path has no type, or one that is not known; it is left out',
  'rewrite-to-root': '`rewrite-target: /` sends every request below a path to the root of the backend',
  'service-external-name': 'the external name of a Service is no DNS name',
  'service-external-name-off': 'a Service is of type ExternalName, and these are not allowed',
  'service-not-found': 'the Service that a path names does not exist',
  'service-not-local':
    'a Service has internalTrafficPolicy Local and no endpoint on the node of this gateway',
  'service-port-not-found': 'the Service that a path names has no such port',
  'service-protocol': 'a Service speaks a protocol that is not supported yet, or is not known',
  'service-without-endpoints': 'a Service has no ready endpoints',
  'tls-secret': 'a Secret that TLS names has the wrong type or lacks a part',
  'tls-secret-not-found': 'a Secret that TLS names does not exist',
} as const

export type FindingCode = keyof typeof FINDING_CODES
