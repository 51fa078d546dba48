/**
 * The API server's audit log: which requests service accounts made, and how they were answered. Off unless a cluster is
 * started with it. The flags are made in the host process, which has the files; entries are read by the test.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Name of the log among those of the cluster. */
export const AUDIT_LOG = 'audit'

const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ['system:serviceaccounts']
  - level: None
`

export interface AuditEntry {
  /** A watch has one when it begins, too: `ResponseStarted`, then `ResponseComplete`. */
  readonly stage: string
  readonly verb: string
  readonly requestURI: string
  readonly user: { readonly username: string }
  readonly objectRef?: {
    readonly apiGroup?: string
    readonly resource?: string
    readonly subresource?: string
    readonly namespace?: string
    readonly name?: string
  }
  readonly responseStatus?: { readonly code?: number }
}

/** Flags for the API server. `directory`: for the policy; `logs`: where programs log. */
export function auditFlags(directory: string, logs: string): readonly string[] {
  const policy = join(directory, 'policy.yaml')
  writeFileSync(policy, POLICY)
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${join(logs, `${AUDIT_LOG}.log`)}`]
}

/** Of the log's text; a line that is still being written is left out. */
export function auditEntries(text: string): readonly AuditEntry[] {
  const end = text.lastIndexOf('\n')
  if (end < 0) return []
  return text
    .slice(0, end)
    .split('\n')
    .map((line) => JSON.parse(line) as AuditEntry)
}
