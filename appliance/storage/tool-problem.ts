/** What a caller is told when a tool or the file system failed: the cause that he can act on, in place of its message. */
import { Problem } from '../core/problem.ts';
import { ToolError } from '../core/run.ts';
import { DomainFault } from './backend.ts';

/** `what` could not be done, such as `The image could not be converted`. The error itself goes to the log. */
export function toProblem(what: string, error: unknown): unknown {
  if (error instanceof Problem) return error;
  if (error instanceof DomainFault) return new Problem('unavailable', `${what}: ${error.message}`, { cause: error });
  const text = error instanceof ToolError ? error.stderr : String(error);
  if (/No space left on device|ENOSPC/.test(text)) {
    return new Problem('insufficient-storage', `${what}: the storage domain is full. Delete what is not needed or enlarge its file system, then try again.`, { cause: error });
  }
  if (/File too large|EFBIG/.test(text)) {
    return new Problem('invalid-input', `${what}: the file system of the storage domain cannot hold a file of this size. Use a smaller disk.`, { cause: error });
  }
  if (/Failed to get .*lock/.test(text)) return new Problem('in-use', `${what}: another process has the image open. Shut down what uses it, then try again.`, { cause: error });
  if (/log that needs to be replayed/.test(text)) {
    return new Problem('invalid-input', `${what}: it was not closed properly where it comes from. Shut down its VM there or run qemu-img check -r all on it, then upload it again.`, { cause: error });
  }
  return error;
}

/** As `toProblem`, for a tool that read what somebody uploaded: any other failure of it is the image's. */
export function toImageProblem(what: string, error: unknown): unknown {
  const problem = toProblem(what, error);
  if (problem instanceof Problem || !(error instanceof ToolError)) return problem;
  if (error.failure === 'aborted' || error.failure === 'missing') return error;
  return new Problem('invalid-input', `${what}: qemu-img cannot read it. It is probably damaged or cut off; check it where it comes from with qemu-img check, then upload it again.`, { cause: error });
}
