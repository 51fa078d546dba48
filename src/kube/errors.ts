/**
 * The one error of the Kubernetes client: what the API server answered (`Status`, meta/v1), or why there was no answer.
 * Thrown by everything in src/kube; callers decide by `code` and `reason`, never by the text. Messages name method and
 * path and never hold credentials or bodies.
 */

/** Why no usable answer came; `code` is 0 then. */
export type LocalReason =
  /** No connection, or it ended in the middle of an answer. */
  | 'Unreachable'
  /** The time given for the request was over, or a watch was silent for too long. */
  | 'Deadline'
  /** The caller's signal. */
  | 'Cancelled'
  /** What came is not what an API server says. */
  | 'BadAnswer'
  /** The credentials could not be had. */
  | 'Credentials'

/** `Status` of meta/v1, as far as it is read. */
export interface KubeStatus {
  readonly kind: 'Status'
  readonly code?: number
  readonly reason?: string
  readonly message?: string
  readonly details?: {
    readonly retryAfterSeconds?: number
    readonly causes?: readonly {
      readonly reason?: string
      readonly field?: string
      readonly message?: string
    }[]
  }
  /** A list whose continue token is too old carries the token of an inconsistent continuation. */
  readonly metadata?: { readonly continue?: string }
}

export interface KubeErrorInit {
  readonly status?: KubeStatus
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

export class KubeError extends Error {
  /** HTTP status of the answer; 0 when there was none. */
  readonly code: number
  /** A LocalReason, or the server's word (`NotFound`, `Conflict`, `Expired`, …). */
  readonly reason: string
  /** How long the server asks to wait. */
  readonly retryAfterMs: number | undefined
  readonly status: KubeStatus | undefined

  constructor(code: number, reason: string, message: string, init: KubeErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.name = 'KubeError'
    this.code = code
    this.reason = reason
    this.retryAfterMs = init.retryAfterMs
    this.status = init.status
  }

  /** The server said nothing: it, or the way to it, is gone or slow. */
  get isUnanswered(): boolean {
    return this.reason === 'Unreachable' || this.reason === 'Deadline'
  }

  get isNotFound(): boolean {
    return this.code === 404
  }

  /** Somebody else changed the object first. */
  get isConflict(): boolean {
    return this.code === 409 && this.reason === 'Conflict'
  }

  get isAlreadyExists(): boolean {
    return this.code === 409 && this.reason === 'AlreadyExists'
  }

  /** The resource version, or the continue token, is too old: list again. */
  get isExpired(): boolean {
    return this.code === 410
  }

  /** The server does not know the resource version yet: it is behind, or was restored from a backup. */
  get isAheadOfServer(): boolean {
    const causes = this.status?.details?.causes ?? []
    return causes.some((cause) => cause.reason === 'ResourceVersionTooLarge')
  }

  /** The same request may well succeed later, without anything being changed. */
  get isTransient(): boolean {
    if (this.code === 0) return this.reason === 'Unreachable' || this.reason === 'Deadline'
    return this.code === 429 || this.code >= 500
  }
}

/** The error that `answer` (any parsed body) stands for. `action` is method and path. */
export function errorOfStatus(
  httpStatus: number,
  answer: unknown,
  action: string,
  retryAfterMs?: number,
): KubeError {
  if (!isStatus(answer)) {
    const reason = REASONS[httpStatus] ?? (httpStatus >= 500 ? 'InternalError' : 'Unknown')
    return new KubeError(httpStatus, reason, `${action}: the server answered ${httpStatus}`, { retryAfterMs })
  }
  const code = typeof answer.code === 'number' && answer.code > 0 ? answer.code : httpStatus
  const reason = answer.reason || (REASONS[code] ?? 'Unknown')
  const seconds = answer.details?.retryAfterSeconds
  return new KubeError(code, reason, `${action}: ${answer.message || `the server answered ${code}`}`, {
    status: answer,
    retryAfterMs: retryAfterMs ?? (typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : undefined),
  })
}

export function isStatus(value: unknown): value is KubeStatus {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'Status'
}

/** Whatever was thrown, as a KubeError; foreign ones count as unreachable. */
export function asKubeError(error: unknown, action: string): KubeError {
  if (error instanceof KubeError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new KubeError(0, 'Unreachable', `${action}: ${text}`, { cause: error })
}

/** The error of an aborted signal: its reason, when that is one of ours. */
export function abortError(signal: AbortSignal, action: string): KubeError {
  if (signal.reason instanceof KubeError) return signal.reason
  return new KubeError(0, 'Cancelled', `${action}: cancelled`)
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Gone',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}
