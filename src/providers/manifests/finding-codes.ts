/** Codes of the findings of this provider, with what `docs/reference/findings.md` says about each. */
export const FINDING_CODES = {
  'manifest-base64': 'a value under `data` of a Secret, or `binaryData` of a ConfigMap, is not base64',
  'manifest-duplicate':
    'the same object is written twice; the first in order of file name and document counts',
  'manifest-field':
    'a field has the wrong type or is missing; the last good version of the object stays, and where there is none the paths of an Ingress whose annotations are wrong answer 503',
  'manifest-incomplete':
    'a document or list item is no Kubernetes object, or has no kind, apiVersion or name; what was known of the document stays',
  'manifest-missing': 'the directory (or file) is not there; what was known of it stays',
  'manifest-syntax': 'a document is not YAML; the last good version of its objects stays',
  'manifest-unknown-field': 'a field that the API version does not have; ignored',
  'manifest-unknown-kind': 'objects of kinds that nothing reads, counted',
  'manifest-unquoted': 'a boolean or number where a string belongs; taken as the text that is written',
  'manifest-unreadable':
    'a file or directory cannot be read (permission, size, encoding); what was known of it stays',
  'manifest-version': 'an API version of a known kind that is not known; the object is not read',
  'manifest-watch': 'changes cannot be watched and are looked for at intervals',
} as const

export type FindingCode = keyof typeof FINDING_CODES
