/**
 * The errors that a caller can act on, as RFC 9457 problem details.
 *
 * Throw a `Problem` when the message can tell the reader what to do next; anything else that is thrown is a bug and
 * becomes `internal` without its message. `cause` goes to the log under the request id, never to the client.
 */
const statusOf = {
  'invalid-input': 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'wrong-state': 409,
  'in-use': 409,
  'name-taken': 409,
  'not-spm': 409,
  'over-quota': 409,
  'precondition-failed': 412,
  'too-large': 413,
  'lease-held': 423,
  'too-many-requests': 429,
  internal: 500,
  unavailable: 503,
  'insufficient-storage': 507,
} as const satisfies Record<string, number>;

export type ProblemType = keyof typeof statusOf;
export const problemTypes = Object.keys(statusOf) as ProblemType[]; // the keys are exactly the union

/** One wrong field: `path` as in the request body, such as `disks.0.sizeBytes`. */
export interface FieldError {
  path: string;
  message: string;
}

export interface ProblemJson {
  type: ProblemType;
  title: string;
  status: number;
  detail: string;
  requestId?: string;
  errors?: FieldError[];
  retryAfterSeconds?: number;
}

interface ProblemOptions {
  errors?: FieldError[];
  retryAfterSeconds?: number;
  cause?: unknown;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly type: ProblemType;
  readonly errors: FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  /** `detail`: what happened and what to do, in whole sentences for the person who asked. */
  constructor(type: ProblemType, detail: string, options: ProblemOptions = {}) {
    super(detail, { cause: options.cause });
    this.type = type;
    this.errors = options.errors;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): (typeof statusOf)[ProblemType] {
    return statusOf[this.type];
  }

  toJson(requestId?: string): ProblemJson {
    return {
      type: this.type,
      title: this.type.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase()),
      status: this.status,
      detail: this.message,
      ...(requestId && { requestId }),
      ...(this.errors && { errors: this.errors }),
      ...(this.retryAfterSeconds !== undefined && { retryAfterSeconds: this.retryAfterSeconds }),
    };
  }
}

/** The problem to show for anything that was thrown; a bug is told as one, its details stay in the log. */
export function asProblem(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown;
  return new Problem('internal', 'Something went wrong inside the appliance. The log has the details under the request id.', { cause: thrown });
}
