/** Codes of the findings about reading the cluster, with what `docs/reference/findings.md` says about each. */
export const FINDING_CODES = {
  'cluster-fault': 'an object led to a fault of the gateway; what was in force before it stays in force',
  'cluster-forbidden':
    'the service account (or user) may not read a resource; what it would say is missing, the rest is served',
  'cluster-missing': 'the API server does not have a resource; it is too old, or the API is switched off',
  'cluster-object':
    'an object has a shape that is not that of its kind; the last good version stays in force',
  'cluster-unreachable':
    'the API server does not answer as it should; what was read before stays in force until it does',
  'election-failed':
    'the Lease cannot be read or written; this replica writes no status and no events, and serves as ever',
  'events-forbidden': 'events may not be written, so `kubectl describe` does not show every finding',
  'status-address':
    'the addresses for the status of Ingresses are not known; the status stays as it is until they are',
  'status-contested': 'another controller keeps writing another status; it is left alone',
  'status-refused': 'the API server refuses a status; tried again each minute',
} as const

export type FindingCode = keyof typeof FINDING_CODES
