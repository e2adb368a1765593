/** An error of a system call, with the fields of Node's own errors. */
export interface SystemError extends Error {
  /** 'ECONNREFUSED' and the like. */
  code: string
  /** The negative error number, as in Node's errors. */
  errno: number
  /** The operation that failed: 'connect', 'listen', 'bind', 'accept', 'read', 'write', 'send' and others. */
  syscall: string
  /** The path, where an abstract name has '@' for its zero byte; or `fd N` for a descriptor. */
  address?: string
}
